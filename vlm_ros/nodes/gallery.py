"""A node's use of the gallery: what things look like that somebody showed."""

from dataclasses import dataclass
from typing import Any, TypeGuard

from vlm_ros.data.gallery import Gallery
from vlm_ros.data.pictures import KeptPicture
from vlm_ros.errors import StorageError
from vlm_ros.grounding.exemplars import PictureDetector, with_exemplars
from vlm_ros.nodes.parameters import parameter, Parameters
from vlm_ros.runtime.lent import LentDetector
from vlm_ros.tasks import Detector

_REPEAT_S = 30.0


@dataclass(frozen=True)
class GalleryParameters:
    """The parameters of every node that looks for things."""

    gallery: str = parameter(
        '',
        'Folder with the pictures that add_exemplar keeps; nodes with the same one share them. '
        'Empty for gallery in VLM_ROS_DATA, else in ~/.local/share/vlm_ros.',
        read_only=True,
    )
    use_exemplars: bool = parameter(
        True, 'Look for what the pictures of the gallery show, besides names.'
    )


class NodeGallery:
    """The gallery of a node; for any thread.

    Args:
        logger: The node's.
        settings: Its parameters, which are `GalleryParameters`.
    """

    def __init__(self, logger: Any, settings: Parameters[Any]) -> None:
        self._logger = logger
        self._settings = settings
        self.kept = Gallery(settings.values.gallery, on_skipped=logger.warning)
        self._last: tuple[KeptPicture, ...] = ()

    def pictures(self) -> tuple[KeptPicture, ...]:
        """Return what to look for by pictures; none where the parameters say so.

        A folder that cannot be read is logged, and what was read before holds on.
        """
        if not self._settings.values.use_exemplars:
            return ()
        try:
            self._last = self.kept.pictures()
        except StorageError as error:
            self._logger.error(str(error), throttle_duration_sec=_REPEAT_S)
        return self._last

    def shown_to(self, detector: Detector) -> Detector:
        """Return a detector that finds what looks like the pictures too, where it can."""
        return with_exemplars(detector, self.pictures())


def detects_by_pictures(detector: object) -> TypeGuard[PictureDetector]:
    """Tell whether a detector, lent or not, can look for what pictures show."""
    if isinstance(detector, LentDetector):
        return detector.detects_by_pictures
    return isinstance(detector, PictureDetector)
