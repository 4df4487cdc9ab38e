"""An import of torchvision that works beside a torch it was not built for.

The package index has torchvision for CUDA only. Beside a CPU build of torch its compiled operators
do not load, and its import then ends with `operator torchvision::nms does not exist`, which takes
transformers and open_clip down with it. Its image transforms need none of those operators:
declared, without an implementation, they let the import pass.
"""

import threading
from typing import Any

import torch

_OPERATORS = (
    'nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
    'qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
)
_lock = threading.Lock()
_declared: list[Any] = []  # forgotten operators would vanish again


def import_torchvision() -> None:
    """Import torchvision, where it is installed; call it before transformers or open_clip."""
    with _lock:
        try:
            import torchvision
        except ModuleNotFoundError:
            return  # transformers then processes images with Pillow
        except RuntimeError as error:
            if _declared or 'torchvision::nms' not in str(error):
                raise
            library: Any = torch.library.Library('torchvision', 'DEF')  # type: ignore[no-untyped-call]
            for operator in _OPERATORS:
                library.define(operator)
            _declared.append(library)
            import torchvision  # noqa: F401
