"""The few most recent results of a costly step."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
import hashlib
from typing import Generic, TypeVar

import numpy as np

from vlm_ros.backends.engine.work import check_image
from vlm_ros.tasks import Image

V = TypeVar('V')


class Recent(Generic[V]):
    """Keeps what was made for the keys that were asked for last.

    `functools.lru_cache` would take a ticket, or an image, for a part of the key.

    Args:
        size: How many to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return what was made for the key, making it where it is not kept."""
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


class RecentImages(Generic[V]):
    """Keeps what was made of the images that came last: encode a frame once, ask many questions.

    Args:
        size: How many to keep; each takes its image besides.
    """

    def __init__(self, size: int = 4) -> None:
        self._size = size
        self._kept: OrderedDict[bytes, tuple[Image, V]] = OrderedDict()

    def get(self, image: Image, make: Callable[[Image], V]) -> V:
        """Return what was made of the image, making it where it is not kept.

        Raises:
            ImageError: It is not `(H, W, 3)` uint8 with at least one pixel.
        """
        check_image(image)
        key = _sample(image)
        if key not in self._kept or not np.array_equal(self._kept[key][0], image):
            # A copy, because a caller may fill the same array with the next frame.
            self._kept[key] = image.copy(), make(image)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key][1]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


class RecentPictures(Generic[V]):
    """Keeps what was made of pictures that come with every frame, such as exemplars.

    A read-only array that comes again is taken to be unchanged without a look at its pixels.

    Args:
        size: How many to keep; each takes its picture besides.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, tuple[Image, V]] = OrderedDict()

    def get(self, picture: Image, make: Callable[[Image], V]) -> V:
        """Return what was made of the picture, making it where it is not kept.

        Raises:
            ImageError: It is not `(H, W, 3)` uint8 with at least one pixel.
        """
        check_image(picture)
        key: Hashable = id(picture)  # nobody else's as long as the picture is kept
        if picture.flags.writeable:
            key = picture.shape, hashlib.sha256(picture.tobytes()).digest()
        if key not in self._kept:
            self._kept[key] = picture, make(picture)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key][1]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


def _sample(image: Image) -> bytes:
    """Return what tells most images apart without a look at every pixel."""
    return repr(image.shape).encode() + image[::31, ::37].tobytes()
