"""The `monitor` node: statements that are checked on every newest image of the cameras."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
import threading
import time

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter

from vlm_ros import inflection, phrases
from vlm_ros.errors import InputError, VlmRosError
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.health import Level, Report, StreamLimits, StreamMeter
from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import AskedNode, AskedParameters, warm_up_detector
from vlm_ros.nodes.image_feed import Frame, View
from vlm_ros.nodes.looking import Look, look, source_of
from vlm_ros.nodes.parameters import parameter
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.process import run
from vlm_ros.nodes.query_services.answers import grounded, TASKS
from vlm_ros.nodes.requests import stale
from vlm_ros.nodes.shared import Shared
from vlm_ros.nodes.watched_statement import check_topics, topic_for, WatchedStatement
from vlm_ros.results import Provenance, Status, Verdict
from vlm_ros.runtime.rate_limit import RateLimit
from vlm_ros.runtime.turns import Consumer
from vlm_ros.statements import parse_statements, Rule, Statement
from vlm_ros.tasks import Model, Ticket
from vlm_ros_interfaces.srv import SetStatements

_PERIODS = 10
"""The health of a stream is judged over the time of so many looks."""
_HEARTBEAT_S = 0.25


@dataclass(frozen=True)
class MonitorParameters(AskedParameters):
    """Parameters of the `monitor` node."""

    statements: tuple[str, ...] = parameter(
        (),
        "What to watch, each as 'name: statement', or 'name@camera: statement' for one of "
        'several cameras; takes effect on the next image.',
        text_or_list=True,
    )
    agreeing: int = parameter(
        3,
        'A verdict holds once so many of the last frames agree; more than half of them.',
        bounds=(1, 1000),
    )
    frames: int = parameter(5, 'So many of the last looked-at images count.', bounds=(1, 1000))
    release: int = parameter(
        2,
        'A verdict is left when fewer of the last frames say so; at most agreeing.',
        bounds=(1, 1000),
    )
    max_rate_hz: float = parameter(
        2.0,
        'Look at no more images of a camera a second; 0 for all it can.',
        bounds=(0.0, 1000.0),
    )
    max_image_age_s: float = parameter(
        2.0,
        'Nothing is known any more once the newest image, or the look at it, is older.',
        bounds=(0.01, 86400.0),
    )
    timeout_s: float = parameter(
        1.0,
        'Seconds that the checks on one image may take together; statements that are left are '
        'checked first on the next.',
        bounds=(0.01, 3600.0),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.rule
        parse_statements(self.statements, self.camera_names)
        if 0.0 < self.max_rate_hz * self.max_image_age_s < 1.0:
            raise InputError(
                f'max_rate_hz {self.max_rate_hz:g} looks every {1 / self.max_rate_hz:g} s, when '
                f'max_image_age_s {self.max_image_age_s:g} has passed already; raise one of them'
            )

    @property
    def rule(self) -> Rule:
        """How many looks have to agree."""
        return Rule(self.agreeing, self.frames, self.release)


@dataclass(frozen=True, eq=False)
class _Job:
    """A camera's frame."""

    camera: str
    frame: Frame
    period: int

    @property
    def provenance(self) -> Provenance:
        """What is known before anybody looked."""
        return source_of(self.frame, Provenance(camera=self.camera))


@dataclass(frozen=True, eq=False)
class _Looks:
    """What came of the statements that were checked on a frame."""

    job: _Job
    looks: Sequence[tuple[WatchedStatement, Look[Verdict]]]


class MonitorNode(AskedNode[MonitorParameters]):
    """Watches statements and publishes each when what holds of it changes.

    With the parameter `cameras`, the names of topics below begin with a camera's and a slash.

    ROS Parameters: see `MonitorParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera.

    ROS Publishers:
        * **statements/NAME** (vlm_ros_interfaces/StatementState, transient local): what holds of
          each statement, whenever its verdict or its status changes. A topic always has its last
          state, and UNKNOWN with the reason where nobody looks.
        * **/diagnostics** (diagnostic_msgs/DiagnosticArray).

    ROS Services:
        * **set_statements** (vlm_ros_interfaces/SetStatements): the same as setting the parameter
          `statements`. What is watched before and after goes on undisturbed.
    """

    def __init__(self, shared: Shared) -> None:
        # Between what a camera brings, the worker's results and new statements.
        self._watching = threading.RLock()
        self._watched: tuple[WatchedStatement, ...] = ()
        # Changes with every activation and deactivation: what is left of another is not published.
        self._period = 0
        super().__init__('monitor', MonitorParameters, shared, TASKS, self._use)
        self._rate_limits = {camera: RateLimit() for camera in self.feeds}
        self._meters: dict[str, StreamMeter] = {}
        self._listeners = {camera: partial(self._on_frame, camera) for camera in self.feeds}
        self._consumer = Consumer(self._look, self._failed, self._take)
        check_topics(self, self._statements_of(self.settings.values))
        self.add_on_set_parameters_callback(self._check_topics)
        self._use(self.settings.values)
        self.create_service(SetStatements, 'set_statements', self._on_set_statements)
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_HEARTBEAT_S, self._on_heartbeat, clock=clock)

    def warm_up(self, model: Model) -> None:
        """Look once."""
        warm_up_detector(model)

    async def configure(self) -> None:
        """Load the model and the word lists, which the first look would wait for."""
        words = Pending(self, on_a_thread(inflection.preload), Ticket())
        # Takes seconds: only a statement that needs it waits.
        on_a_thread(phrases.preload)
        await super().configure()
        await words.result()

    async def activate(self) -> None:
        """Look at images from now on."""
        rate_hz = self.settings.values.max_rate_hz
        window_s = max(10.0, _PERIODS / rate_hz if rate_hz else 0.0)
        self._meters = {camera: StreamMeter(window_s) for camera in self.feeds}
        with self._watching:
            self._period += 1
            for camera, feed in self.feeds.items():
                feed.add_listener(self._listeners[camera])
            for watched in self._watched:
                watched.begin()

    async def deactivate(self) -> None:
        """Look at no more images, and say so; nothing is published once this has ended."""
        for camera, feed in self.feeds.items():
            feed.remove_listener(self._listeners[camera])
            self.worker.withdraw(self._stream(camera))
        with self._watching:
            self._period += 1
            for watched in self._watched:
                watched.begin(f'{self.get_name()} is inactive; activate it')

    def stream_reports(self) -> Sequence[Report]:
        """Judge each camera's stream, and say what holds."""
        limits = StreamLimits(self.settings.values.max_image_age_s)
        with self._watching:
            states = {
                topic_for(watched.statement): ' '.join(part.name for part in watched.code)
                for watched in self._watched
            }
        return [
            Report('statements', Level.OK, f'{len(states)} watched', states),
            *(self.judge(camera, meter, limits) for camera, meter in self._meters.items()),
        ]

    def _stream(self, camera: str) -> str:
        return f'{self.get_fully_qualified_name()} {camera}'

    def _of(self, camera: str) -> list[WatchedStatement]:
        """Return a camera's statements, what waited longest first."""
        with self._watching:
            watched = [w for w in self._watched if w.statement.camera == camera]
        return sorted(watched, key=lambda w: w.looked_s)

    def _on_frame(self, camera: str, frame: Frame) -> None:
        meter = self._meters[camera]
        meter.receive()
        watched = self._of(camera)
        rate_hz = self.settings.values.max_rate_hz
        if not watched or not self._rate_limits[camera].admits(frame.received_s, rate_hz):
            meter.drop()
            return
        for one in watched:
            one.wait(frame)
        job = _Job(camera, frame, self._period)
        meter.drop(int(self.worker.offer(self._stream(camera), job, self._consumer)))

    def _look(self, jobs: Sequence[_Job], ticket: Ticket) -> list[_Looks]:
        """Check the statements on frames; runs on the worker's thread."""
        return [_Looks(job, self._checked(job, ticket)) for job in jobs]

    def _checked(self, job: _Job, ticket: Ticket) -> list[tuple[WatchedStatement, Look[Verdict]]]:
        values = self.settings.values
        watched = self._of(job.camera)
        age_s = job.frame.age_s(self.get_clock().now().nanoseconds)
        if age_s > values.max_image_age_s:
            message = stale(age_s, values.max_image_age_s)
            return [(one, Look(None, Status.STALE, message, job.provenance)) for one in watched]
        looks: list[tuple[WatchedStatement, Look[Verdict]]] = []
        # By the model, which may be replaced between two statements.
        answerers: dict[int, GroundedAnswerer] = {}
        until_s = time.monotonic() + values.timeout_s
        for one in watched:
            if looks and time.monotonic() > until_s:
                break
            looks.append((one, self._check(one.statement, job, ticket, answerers)))
        return looks

    def _check(
        self,
        statement: Statement,
        job: _Job,
        ticket: Ticket,
        answerers: dict[int, GroundedAnswerer],
    ) -> Look[Verdict]:
        def work(model: Model, view: View) -> Verdict:
            answerer = answerers.get(id(model)) or grounded(self, model, share_looks=True)
            answerers[id(model)] = answerer
            return answerer.verify((view.image,), statement.text, ticket=ticket)

        return look(self.worker, job.frame, self.needed(*TASKS), work, job.provenance)

    def _failed(self, job: _Job, error: Exception) -> _Looks:
        failed: Look[Verdict] = Look.failed(error, job.provenance)
        return _Looks(job, [(one, failed) for one in self._of(job.camera)])

    def _take(self, result: _Looks) -> None:
        """Count what came of a frame; runs on the worker's thread."""
        job, limit_s = result.job, self.settings.values.max_image_age_s
        trouble = self._trouble_with_model()
        age_s = job.frame.age_s(self.get_clock().now().nanoseconds)
        with self._watching:
            if job.period != self._period:
                return
            for watched, seen in result.looks:
                if watched not in self._watched:
                    continue
                if trouble:
                    watched.lose(Status.FAILED, trouble, job.provenance)
                elif seen.status is Status.STALE and seen.result is None:
                    watched.lose(Status.STALE, seen.message, job.provenance)
                elif age_s > limit_s:
                    message = (
                        f'the image is {age_s:.1f} s old when the checks on it end; at most '
                        f'{limit_s:g} s are allowed: raise max_image_age_s'
                    )
                    watched.lose(Status.TIMEOUT, message, job.provenance)
                else:
                    watched.see(seen)
            self._count(result)

    def _count(self, result: _Looks) -> None:
        failures = [seen for _, seen in result.looks if seen.result is None]
        now_ns = self.get_clock().now().nanoseconds
        self._meters[result.job.camera].process(
            failed=bool(failures),
            inference_s=sum(seen.provenance.inference_time_s for _, seen in result.looks),
            age_s=conversions.published_at(result.job.provenance, now_ns).age_s,
            failure=failures[0].message if failures else '',
        )
        if failures:
            self.get_logger().error(failures[0].message, throttle_duration_sec=5.0)

    def _trouble_with_model(self) -> str:
        """Return why there is no model, empty where there is one."""
        try:
            _ = self.worker.model
        except VlmRosError as error:
            return str(error)
        return ''

    def _on_heartbeat(self) -> None:
        """Say of what nobody looks at that nothing is known of it."""
        if not self.is_active:
            return
        trouble = self._trouble_with_model()
        with self._watching:
            for watched in self._watched:
                if trouble:
                    watched.lose(Status.FAILED, trouble)
                else:
                    watched.heed_silence(self.settings.values.max_image_age_s)

    @staticmethod
    def _statements_of(values: MonitorParameters) -> tuple[Statement, ...]:
        return parse_statements(values.statements, values.camera_names)

    def _check_topics(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            check_topics(self, self._statements_of(self.settings.changed(parameters)))
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _use(self, values: MonitorParameters) -> None:
        """Watch the statements of the parameters; those that are watched already go on."""
        with self._watching:
            before = {topic_for(watched.statement): watched for watched in self._watched}
            watched = []
            for statement in self._statements_of(values):
                known = before.pop(topic_for(statement), None)
                if known and (known.statement, known.rule) == (statement, values.rule):
                    watched.append(known)
                    continue
                one = WatchedStatement(
                    self,
                    statement,
                    values.rule,
                    self.feeds[statement.camera],
                    known.publisher if known else None,
                )
                one.begin('' if self.is_active else self.why_not_active())
                watched.append(one)
            self._watched = tuple(watched)
            for gone in before.values():
                self.destroy_publisher(gone.publisher)

    def _on_set_statements(
        self, request: SetStatements.Request, response: SetStatements.Response
    ) -> SetStatements.Response:
        # An empty list has no type that a parameter could have.
        result = self.settings.set(statements=list(request.statements) or '')
        response.success, response.message = result.successful, result.reason
        return response


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [MonitorNode(shared)], args)
