"""Clocks that stand, jump back or were never set: ages are right or unknown, nothing blocks."""

from builtin_interfaces.msg import Time
import pytest
from rosgraph_msgs.msg import Clock
from vision_msgs.msg import Detection2DArray

from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros_interfaces.msg import PerceptionStatus, ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion

SIMULATED = {'backend': 'fake', 'use_sim_time': 'true'}
QUESTION = AnswerQuestion.Request(question='Is there a person?')


class World:
    """A simulation: a clock, a camera and what the detector says."""

    def __init__(self, graph, **parameters):
        self.graph = graph
        parameters = {**SIMULATED, **parameters}
        graph.start(DetectorNode, QueryNode, detector=parameters, query=parameters)
        self.detections = graph.collect(Detection2DArray, 'detections')
        self.statuses = graph.collect(PerceptionStatus, 'detections/status')
        self._clock = graph.client.create_publisher(Clock, '/clock', 10)

    def tick(self, seconds):
        """Set the clock and wait until every node has it."""
        time = Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))
        ns = time.sec * 1_000_000_000 + time.nanosec
        self.graph.spin_until(lambda: self._clock.get_subscription_count() >= 2)
        self._clock.publish(Clock(clock=time))
        self.graph.spin_until(
            lambda: all(n.get_clock().now().nanoseconds == ns for n in self.graph.nodes)
        )

    def show(self, seconds):
        """Show an image with a stamp; returns its status."""
        self.statuses.clear()
        msg = self.graph.stamped()
        msg.header.stamp = Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))
        self.graph.publish(msg)
        return self.graph.spin_until(
            lambda: [s for s in self.statuses if s.header == msg.header and s.provenance.model_id]
        )[0]

    def ask(self):
        return self.graph.call(AnswerQuestion, 'answer_question', QUESTION)


def age_s(provenance):
    """Return an age as a message has it; None where it is unknown."""
    if (provenance.age.sec, provenance.age.nanosec) == (-1, 0):
        return None
    assert provenance.age.sec >= 0
    return provenance.age.sec + provenance.age.nanosec * 1e-9


def test_ages_are_those_of_the_simulated_clock(graph):
    world = World(graph)
    world.tick(100.0)
    assert age_s(world.show(99.5).provenance) == pytest.approx(0.5)
    assert age_s(world.ask().provenance) == pytest.approx(0.5)
    world.tick(103.0)
    response = world.ask()
    assert response.status.code == ResultStatus.STALE
    assert age_s(response.provenance) == pytest.approx(3.5)


def test_a_clock_that_never_starts_blocks_nothing(graph):
    world = World(graph)
    status = graph.spin_until(lambda: world.statuses)[-1]
    assert status.status.code == ResultStatus.NO_IMAGE
    status = world.show(12.0)
    assert status.status.code == ResultStatus.OK
    assert age_s(status.provenance) is None
    response = world.ask()
    assert (response.status.code, response.answer) == (ResultStatus.OK, 'yes')
    assert age_s(response.provenance) is None
    world.statuses.clear()
    graph.spin_until(lambda: [s for s in world.statuses if s.status.code == ResultStatus.STALE])


def test_a_time_out_passes_while_the_clock_stands(graph):
    world = World(graph, backend_options='script=hang')
    world.tick(100.0)
    request = AnswerQuestion.Request(
        question='Is there a person?', image=graph.stamped(), timeout_s=0.3
    )
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.TIMEOUT


def test_a_bag_that_loops_is_followed(graph):
    world = World(graph)
    for _ in range(3):
        for seconds in (50.0, 50.5, 51.0):
            world.tick(seconds)
            assert age_s(world.show(seconds - 0.25).provenance) == pytest.approx(0.25)
            response = world.ask()
            assert response.status.code == ResultStatus.OK
            assert age_s(response.provenance) == pytest.approx(0.25)
    world.tick(50.0)  # the clock has jumped, the camera has not yet
    response = world.ask()
    assert response.status.code == ResultStatus.OK
    assert age_s(response.provenance) is None
    assert age_s(world.show(49.75).provenance) == pytest.approx(0.25)
    assert world.ask().provenance.image_header.stamp.sec == 49, 'the newest to come, not to stamp'


@pytest.mark.parametrize(
    ('stamp', 'age_is_known', 'code'),
    [
        (0, False, ResultStatus.OK),
        (2_000_000_000, False, ResultStatus.OK),
        (-1, False, ResultStatus.OK),
        (-(2**31), False, ResultStatus.OK),
        (1_000_000_000, True, ResultStatus.STALE),
    ],
)
def test_stamps_that_are_not_of_now(graph, stamp, age_is_known, code):
    world = World(graph, use_sim_time='false')
    status = world.show(stamp)
    assert status.status.code == ResultStatus.OK
    assert (age_s(status.provenance) is not None) == age_is_known
    response = world.ask()
    assert response.status.code == code
    assert (age_s(response.provenance) is not None) == age_is_known
    if code == ResultStatus.STALE:
        assert 'use_sim_time' in response.status.message
