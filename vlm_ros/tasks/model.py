"""What every backend says of itself."""

from typing import Protocol, runtime_checkable, TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
"""`(H, W, 3)` uint8 RGB, C-contiguous."""


@runtime_checkable
class Model(Protocol):
    """What every backend says of itself."""

    @property
    def model_id(self) -> str:
        """The name results carry, such as `embedded` or `owlv2:google/owlv2-base-patch16`."""

    @property
    def model_revision(self) -> str:
        """The version of the weights."""

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`."""

    def close(self) -> None:
        """Free the weights; the model is not used afterwards. May be called twice."""

    # A model may also have three attributes. `enough_px` is the shorter side, in pixels, beyond
    # which a larger image shows it nothing more: compressed images are then decoded no larger.
    # `needs_warm_up = False` says that its first call takes no longer than others, and
    # `tells_attributes = False` that its answers and comparisons know names only, not colours.


@runtime_checkable
class ReleasesMemory(Protocol):
    """A model that can give memory back and go on working; asked to when memory runs out."""

    def release_memory(self) -> None:
        """Drop caches and hand freed blocks back to the device."""
