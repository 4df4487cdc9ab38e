"""`detect_objects` and `ground_phrases`: the boxes of names, and of the phrases of a text."""

from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile
from vision_msgs.msg import LabelInfo

from vlm_ros.errors import InputError
from vlm_ros.grounding.exemplars import ExemplarAwareDetector
from vlm_ros.grounding.matching import ground_by_matching
from vlm_ros.grounding.naming import ground_by_names
from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import AskedNode, boxes
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.requests import no_look
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import PhraseGroundings
from vlm_ros.tasks import Detector, Image, Model, PhraseGrounder, RegionMatcher, Ticket
from vlm_ros_interfaces.srv import DetectObjects, GroundPhrases


class DetectionServices:
    """Finds what names and texts name.

    Args:
        node: Offers them, and hears which names the detector looks for.
    """

    def __init__(self, node: AskedNode[Any]) -> None:
        self._node = node
        self._vocabularies: dict[str, Vocabulary] = {}
        node.offer(GroundPhrases, 'ground_phrases', self._on_ground_phrases)
        node.offer(DetectObjects, 'detect_objects', self._on_detect_objects)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        for camera in node.feeds:
            node.create_subscription(
                LabelInfo,
                topic_of(camera, 'vocabulary'),
                partial(self._on_vocabulary, camera),
                latched,
            )

    async def _on_ground_phrases(
        self, request: GroundPhrases.Request, response: GroundPhrases.Response
    ) -> GroundPhrases.Response:
        try:
            threshold = self._node.threshold(request.score_threshold)
        except InputError as error:
            return self._node.fill(no_look(*conversions.error_to_status(error)), response)
        seen = await self._node.requests.look(
            request,
            ('ground',) if self._node.needed('detect') else (),
            lambda model, view, ticket: self._ground(
                model, view.image, request.text, threshold, ticket
            ),
        )
        if seen.result is not None:
            response.groundings = conversions.groundings_to_msg(seen.result)
        response.detections = boxes(seen, seen.result.detections if seen.result else None)
        return self._node.fill(seen, response)

    async def _on_detect_objects(
        self, request: DetectObjects.Request, response: DetectObjects.Response
    ) -> DetectObjects.Response:
        try:
            vocabulary = self._requested_vocabulary(request)
            threshold = self._node.threshold(request.score_threshold)
        except InputError as error:
            return self._node.fill(no_look(*conversions.error_to_status(error)), response)
        seen = await self._node.requests.look(
            request,
            self._node.needed('detect'),
            lambda model, view, ticket: self._detector(model).detect(
                view.image,
                vocabulary,
                score_threshold=threshold,
                ticket=ticket,
            ),
        )
        seen = replace(
            seen,
            provenance=replace(seen.provenance, vocabulary_id=vocabulary.vocabulary_id),
        )
        response.detections = boxes(seen, seen.result)
        return self._node.fill(seen, response)

    def _ground(
        self, model: Model, image: Image, text: str, threshold: float | None, ticket: Ticket
    ) -> PhraseGroundings:
        """Ground with what the model has: its own way, its eye for regions, or the detector."""
        if isinstance(model, PhraseGrounder):
            own = model.ground(image, text, score_threshold=threshold, ticket=ticket)
            shown = self._node.detector_for(model)
            if not isinstance(shown, ExemplarAwareDetector):
                return own
            return shown.ground_alike(own, image, score_threshold=threshold, ticket=ticket)
        ground = ground_by_names
        if isinstance(model, RegionMatcher):
            ground = partial(ground_by_matching, model)
        detector = self._detector(model)
        return ground(detector, image, text, score_threshold=threshold, ticket=ticket)

    def _detector(self, model: Model) -> Detector:
        detector = self._node.detector_for(model)
        assert detector is not None, 'it was lent, or the model has the task'
        return detector

    def _requested_vocabulary(self, request: DetectObjects.Request) -> Vocabulary:
        if request.vocabulary:
            return Vocabulary(tuple(request.vocabulary))
        camera = self._node.requests.camera_of(request)
        if (vocabulary := self._vocabularies.get(camera)) is None:
            raise InputError('no vocabulary: the request has none and no detector announces one')
        return vocabulary

    def _on_vocabulary(self, camera: str, msg: LabelInfo) -> None:
        try:
            self._vocabularies[camera] = conversions.msg_to_vocabulary(msg)
        except InputError as error:
            self._node.get_logger().error(f'the announced vocabulary cannot be used: {error}')
