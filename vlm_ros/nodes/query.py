"""The `query` node: questions about the scene, answered with evidence or not at all."""

from dataclasses import dataclass

from vlm_ros import inflection, phrases
from vlm_ros.grounding.frames import MAX_FRAMES
from vlm_ros.nodes.asked_node import AskedNode, AskedParameters, warm_up_detector
from vlm_ros.nodes.parameters import parameter
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.process import run
from vlm_ros.nodes.query_services.answers import AnswerServices
from vlm_ros.nodes.query_services.captions import CaptionServices
from vlm_ros.nodes.query_services.detections import DetectionServices
from vlm_ros.nodes.query_services.exemplars import ExemplarServices
from vlm_ros.nodes.query_services.references import ReferenceServices
from vlm_ros.nodes.query_services.statements import StatementServices
from vlm_ros.nodes.recent_frames import RecentFrames
from vlm_ros.nodes.shared import Shared
from vlm_ros.tasks import Model, Ticket

ASKED = ('detect', 'ground', 'caption', 'answer', 'verify', 'match_regions')
"""The tasks that the services need; a model that can do one of them is of use."""


@dataclass(frozen=True)
class QueryParameters(AskedParameters):
    """Parameters of the `query` node."""

    window_s: float = parameter(
        10.0,
        'How far back questions about the last few seconds may reach.',
        bounds=(0.1, 3600.0),
        read_only=True,
    )
    window_frames: int = parameter(
        8,
        'How many frames of a camera are kept for them; one takes 6 MB at 1080p, and as much '
        'again once it was looked at.',
        bounds=(1, MAX_FRAMES - 1),
        read_only=True,
    )


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
        values = self.settings.values
        self._recent = {
            camera: RecentFrames(values.window_frames, values.window_s) for camera in self.feeds
        }
        self._answers = AnswerServices(self, self._recent)
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
        # Takes seconds, and only a text to ground has use for it: that one waits where it must.
        on_a_thread(phrases.preload)
        await super().configure()
        await words.result()

    async def activate(self) -> None:
        """Answer from now on."""
        for camera, feed in self.feeds.items():
            feed.add_listener(self._recent[camera].add)

    async def deactivate(self) -> None:
        """Answer no more, not even what waits."""
        for camera, feed in self.feeds.items():
            feed.remove_listener(self._recent[camera].add)
            self._recent[camera].clear()
        self.requests.cancel('the node was deactivated')


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [QueryNode(shared)], args)
