"""Between image buffers and the one image value: `(H, W, 3)` uint8 RGB, C-contiguous.

`decode` reads the raw fields of a `sensor_msgs/Image`, `decode_compressed` a JPEG, PNG or other
picture file or the content of a `sensor_msgs/CompressedImage`, `encode` fills a message.
"""

from vlm_ros.images.compressed import decode_compressed, Reduction, reduction
from vlm_ros.images.raw import (
    Buffer,
    decode,
    encode,
    ENCODINGS,
    FALLBACK_ENCODINGS,
    Image,
    MAX_PIXELS,
)

__all__ = [
    'ENCODINGS',
    'FALLBACK_ENCODINGS',
    'MAX_PIXELS',
    'Buffer',
    'Image',
    'Reduction',
    'decode',
    'decode_compressed',
    'encode',
    'reduction',
]
