"""What backends that run in torch share: devices, checkpoints, pixels, errors.

Imported before transformers or open_clip, it makes them importable; see `torchvision`.
"""

from vlm_ros.backends.engine.torchvision import import_torchvision

import_torchvision()

# After that, because it imports torchvision.
from transformers.utils import logging  # noqa: E402

# A node's output is its log; what the library has to say beyond errors is about training.
logging.disable_progress_bar()  # type: ignore[no-untyped-call]
logging.set_verbosity_error()  # type: ignore[no-untyped-call]
