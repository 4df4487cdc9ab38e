"""One statement of the `monitor` node: its topic, and what holds of it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
import time

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from vlm_ros.errors import InputError
from vlm_ros.nodes import conversions
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.image_feed import Frame, ImageFeed
from vlm_ros.nodes.looking import Look
from vlm_ros.nodes.process import until_shutdown
from vlm_ros.results import Provenance, Status, Truth, Verdict
from vlm_ros.statements import Rule, Sight, Statement, Watch
from vlm_ros_interfaces.msg import StatementState

LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def topic_for(statement: Statement) -> str:
    """Return the relative name of a statement's topic."""
    return topic_of(statement.camera, f'statements/{statement.name}')


def check_topics(node: Node, statements: Iterable[Statement]) -> None:
    """Refuse statements whose topics a node cannot have.

    Raises:
        InputError: One with its namespace is too long.
    """
    for statement in statements:
        try:
            node.resolve_topic_name(topic_for(statement))
        except RuntimeError as error:  # what rcl says of a name that is too long
            raise InputError(
                f'the topic of the statement {statement.name!r} would be too long; take a shorter '
                'name or namespace'
            ) from error


class WatchedStatement:
    """Publishes what holds of a statement whenever that changes; for one thread at a time.

    Args:
        node: The monitor.
        statement: What is watched.
        rule: How many looks have to agree.
        feed: The camera's images.
        publisher: Of the topic, where another statement had it; None to make one.

    Attributes:
        statement: The same.
        rule: The same.
        publisher: Publishes the states.
        looked_s: When it was last looked at, in seconds of the monotonic clock; 0 for never.
    """

    def __init__(
        self,
        node: Node,
        statement: Statement,
        rule: Rule,
        feed: ImageFeed,
        publisher: Publisher | None = None,
    ) -> None:
        self.statement = statement
        self.rule = rule
        self.publisher = publisher or node.create_publisher(
            StatementState, topic_for(statement), LATCHED
        )
        self.looked_s = 0.0
        self._node = node
        self._feed = feed
        self._watch = Watch(rule)
        self._has_published = False
        # When the first image came that was not looked at, in seconds of the monotonic clock.
        self._waiting_since_s: float | None = None

    @property
    def code(self) -> tuple[Truth, Status]:
        """The truth and the status that were last published."""
        return self._watch.state.code

    def begin(self, why_not_active: str = '') -> None:
        """Begin anew.

        Args:
            why_not_active: Why nobody looks; empty where somebody does.
        """
        if why_not_active:
            self.lose(Status.FAILED, why_not_active)
        elif self._feed.newest is None:
            self.lose(Status.NO_IMAGE, self._feed.silence())
        else:
            self.lose(Status.UNSURE, 'no image was looked at yet')

    def wait(self, frame: Frame) -> None:
        """Wait for the look at a frame."""
        if self._waiting_since_s is None:
            self._waiting_since_s = frame.received_s

    def see(self, seen: Look[Verdict]) -> None:
        """Count a look; one that failed votes for nothing."""
        self.looked_s, self._waiting_since_s = time.monotonic(), None
        verdict = seen.result
        if verdict is None:
            verdict = Verdict(Truth.UNKNOWN, status=seen.status, message=seen.message)
        self._take(self._watch.see(Sight(verdict, seen.provenance)))

    def lose(self, status: Status, message: str, provenance: Provenance | None = None) -> None:
        """Say that nobody looks.

        Args:
            status: Why.
            message: The same for people.
            provenance: Of the last image; None for the camera's newest, whatever its age.
        """
        self.looked_s, self._waiting_since_s = time.monotonic(), None
        if provenance is None:
            frame = self._feed.newest
            provenance = conversions.header_to_provenance(frame.header if frame else None)
            provenance = replace(provenance, camera=self.statement.camera)
        self._take(self._watch.lose(status, message, provenance))

    def heed_silence(self, limit_s: float) -> None:
        """Lose what holds where no image, or no look, has come for so many seconds."""
        status, message = self._silence(limit_s)
        if status is not None and status is not self.code[1]:
            self.lose(status, message())

    def _silence(self, limit_s: float) -> tuple[Status | None, Callable[[], str]]:
        frame, feed = self._feed.newest, self._feed
        if frame is None:
            return Status.NO_IMAGE, feed.silence
        if frame.age_s(self._node.get_clock().now().nanoseconds) > limit_s:
            return Status.STALE, lambda: f'no image for {limit_s:g} s: {feed.silence()}'
        since_s = self._waiting_since_s
        if since_s is not None and time.monotonic() - since_s > limit_s:
            text = f'the model has not got to this statement for {limit_s:g} s'
            return Status.TIMEOUT, lambda: f'{text}; watch less, or raise max_image_age_s'
        return None, str

    def _take(self, is_change: bool) -> None:
        # Also what it begins with: its topic may have another statement's last word.
        if is_change or not self._has_published:
            self._publish()

    def _publish(self) -> None:
        self._has_published = True
        state = self._watch.state
        published = conversions.published_at(
            state.provenance, self._node.get_clock().now().nanoseconds
        )
        evidence_header = conversions.provenance_to_header(state.evidence_of)
        msg = StatementState(
            header=conversions.provenance_to_header(state.provenance),
            name=self.statement.name,
            statement=self.statement.text,
            verdict=int(state.verdict.truth),
            confidence=state.verdict.confidence,
            status=conversions.status_to_msg(state.verdict.status, state.verdict.message),
            evidence=conversions.detections_to_msg(state.verdict.evidence, evidence_header),
            agreeing=state.agreeing,
            frames=state.frames,
            since=conversions.ns_to_stamp(state.since_ns),
            provenance=conversions.provenance_to_msg(published),
        )
        with until_shutdown(self._node):
            self.publisher.publish(msg)
