"""The `query` node: questions about the scene, answered with evidence or not at all."""

from dataclasses import dataclass

from vlm_ros import inflection
from vlm_ros.nodes.asked_node import AskedNode, AskedParameters, warm_up_detector
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.process import run
from vlm_ros.nodes.query_services.answers import AnswerServices
from vlm_ros.nodes.query_services.captions import CaptionServices
from vlm_ros.nodes.query_services.detections import DetectionServices
from vlm_ros.nodes.query_services.exemplars import ExemplarServices
from vlm_ros.nodes.query_services.references import ReferenceServices
from vlm_ros.nodes.query_services.statements import StatementServices
from vlm_ros.nodes.shared import Shared
from vlm_ros.tasks import Model, Ticket

ASKED = ('detect', 'ground', 'caption', 'answer', 'match_regions')
"""The tasks that the services need; a model that can do one of them is of use."""


@dataclass(frozen=True)
class QueryParameters(AskedParameters):
    """Parameters of the `query` node."""


class QueryNode(AskedNode[QueryParameters]):
    """Answers questions about a camera's newest image, or about one that comes with the request.

    ROS Parameters: see `QueryParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera; with the parameter
          `cameras`, this name and the next begin with a camera's and a slash.
        * **vocabulary** (vision_msgs/LabelInfo): the detector's names, for `detect_objects`.

    ROS Publishers:
        * **/diagnostics** (diagnostic_msgs/DiagnosticArray).

    ROS Services:
        * **answer_question** (AnswerQuestion): a question; see `grounded.GroundedAnswerer`.
        * **verify_statement** (VerifyStatement): whether a statement is true of the image.
        * **ground_phrases** (GroundPhrases): the boxes of each phrase of a text.
        * **detect_objects** (DetectObjects): the boxes of each name of a vocabulary.
        * **describe_image** (DescribeImage): a caption.
        * **locate_object** (LocateObject): the one object that an expression refers to.
        * **add_exemplar** (AddExemplar): keeps a picture of a thing, to find more of its kind.
        * **remove_exemplars** (RemoveExemplars), **list_exemplars** (ListExemplars): the others.

    ROS Actions:
        * **answer** (AnswerQuestion): a question whose answer streams and which can be cancelled.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('query', QueryParameters, shared, ASKED)
        self._answers = AnswerServices(self)
        StatementServices(self)
        DetectionServices(self)
        CaptionServices(self)
        ReferenceServices(self)
        ExemplarServices(self)

    def destroy_node(self) -> None:
        """Destroy the node with its action server."""
        self._answers.destroy()
        super().destroy_node()

    def warm_up(self, model: Model) -> None:
        """Look once."""
        warm_up_detector(model)

    async def configure(self) -> None:
        """Load the model and the word lists, which the first question would wait for."""
        words = Pending(self, on_a_thread(inflection.preload), Ticket())
        await super().configure()
        await words.result()

    async def activate(self) -> None:
        """Answer from now on."""
        for feed in self.feeds.values():
            feed.add_listener(_keep)

    async def deactivate(self) -> None:
        """Answer no more, not even what waits."""
        for feed in self.feeds.values():
            feed.remove_listener(_keep)
        self.requests.cancel('the node was deactivated')


def _keep(frame: Frame) -> None:
    """Nothing: the feed itself keeps the newest frame, as long as somebody listens."""


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [QueryNode(shared)], args)
