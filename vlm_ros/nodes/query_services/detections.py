"""`detect_objects` and `ground_phrases`: the boxes of names, and of the phrases of a text."""

from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile
from vision_msgs.msg import LabelInfo

from vlm_ros.errors import InputError
from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import AskedNode, boxes
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.requests import no_look
from vlm_ros.phrases import Vocabulary
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
        seen = await self._node.requests.look(
            request,
            ('ground',),
            lambda model, view, ticket: model.ground(
                view.image,
                request.text,
                score_threshold=self._node.threshold(request.score_threshold),
                ticket=ticket,
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
            ('detect',),
            lambda model, view, ticket: model.detect(
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
