"""Images for models of the SAM kind, made small before their processors get them."""

import cv2

from vlm_ros.tasks import Image


def shrunk(image: Image, size_hw: tuple[int, int]) -> Image:
    """Make an image as small as the input will be; one that is not larger stays as it is."""
    if image.shape[0] < size_hw[0] or image.shape[1] < size_hw[1]:
        return image
    small: Image = cv2.resize(  # type: ignore[assignment]
        image, size_hw[::-1], interpolation=cv2.INTER_AREA
    )
    return small
