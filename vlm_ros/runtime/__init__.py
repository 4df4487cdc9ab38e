"""The threads behind the nodes: turns for frames and requests, models that may fail."""
