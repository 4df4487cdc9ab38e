"""Images and recordings from outside: photographs, videos, cameras, streams, datasets."""
