"""Diagnostics on the wire."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import pytest
import rclpy
from rclpy.node import Node
from rclpy.time import Time

from vlm_ros.health import Level, Report
from vlm_ros.nodes.diagnostics import Diagnostics

FRONT = Report('front', Level.WARN, 'too slow', {'Received (Hz)': '30.0'}, 'cam0')
MODEL = Report('model', Level.ERROR, 'it failed', {})


def start(graph, reports, *, period_s=0.1, topic='/diagnostics', args=(), namespace=''):
    """Start a node with diagnostics; returns the messages."""

    def make(shared):
        node = Node('probe', namespace=namespace, cli_args=['--ros-args', *args])
        Diagnostics(node, reports, period_s)
        return node

    graph.start(make)
    return graph.collect(DiagnosticArray, topic)


def test_reports_become_statuses(graph):
    messages = start(graph, lambda: [FRONT, MODEL], namespace='/robot/left')
    msg = graph.spin_until(lambda: messages)[0]
    front, model = msg.status
    assert front.name == 'robot/left/probe: front'
    assert (front.level, front.message) == (DiagnosticStatus.WARN, 'too slow')
    assert front.hardware_id == 'cam0'
    assert [(value.key, value.value) for value in front.values] == [('Received (Hz)', '30.0')]
    assert (model.name, model.level) == ('robot/left/probe: model', DiagnosticStatus.ERROR)
    assert model.hardware_id == 'robot/left/probe', 'never empty'


def test_levels_are_those_of_the_message():
    for level in Level:
        assert bytes([level]) == getattr(DiagnosticStatus, level.name)


def test_reports_come_again_and_again_while_simulated_time_stands_still(graph):
    asked = []
    messages = start(
        graph,
        lambda: asked.append(0) or [Report('count', Level.OK, str(len(asked)), {})],
        args=['-p', 'use_sim_time:=true'],
    )
    graph.spin_until(lambda: len(messages) >= 3, 'three messages')
    counts = [int(msg.status[0].message) for msg in messages]
    assert counts == sorted(set(counts))
    assert all(msg.header.stamp.sec == msg.header.stamp.nanosec == 0 for msg in messages)


def test_the_stamp_is_the_clock_of_the_node(graph):
    messages = start(graph, lambda: [FRONT])
    graph.spin_until(lambda: messages)
    before = graph.client.get_clock().now()
    messages.clear()
    graph.spin_until(lambda: len(messages) > 1)
    stamp = Time.from_msg(messages[-1].header.stamp, clock_type=before.clock_type)
    assert before < stamp < graph.client.get_clock().now()


def test_the_topic_can_be_remapped(graph):
    messages = start(
        graph,
        lambda: [FRONT],
        topic='/robot/diagnostics',
        args=['-r', '/diagnostics:=/robot/diagnostics'],
    )
    assert graph.spin_until(lambda: messages)[0].status[0].name == 'probe: front'


def fail():
    raise ValueError('broken')


@pytest.mark.parametrize(
    'reports',
    [
        fail,
        lambda: [Report('front', Level.OK, None, {})],
        lambda: [Report('front', Level.OK, 'fine', {'Received (Hz)': 30.0})],
        lambda: [Report('front', 300, 'fine', {})],
    ],
)
def test_wrong_reports_are_an_error_and_the_node_lives_on(graph, reports):
    wrong = True
    messages = start(graph, lambda: reports() if wrong else [FRONT])
    status = graph.spin_until(lambda: messages)[0].status[0]
    assert (status.name, status.level) == ('probe: diagnostics', DiagnosticStatus.ERROR)
    assert status.message.startswith('the diagnostics fail: ')
    wrong = False
    graph.spin_until(lambda: messages[-1].status[0].name == 'probe: front', 'recovery')


def test_text_that_is_no_utf8_is_published_all_the_same(graph):
    messages = start(graph, lambda: [Report('\udcff', Level.OK, 'no \udcff', {'a': '\udcff'})])
    status = graph.spin_until(lambda: messages)[0].status[0]
    assert (status.name, status.message, status.values[0].value) == ('probe: ?', 'no ?', '?')


def test_the_end_of_the_context_is_no_failure():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node('probe', context=context)
    diagnostics = Diagnostics(node, lambda: [FRONT])
    context.shutdown()
    node.destroy_node()
    diagnostics._publish()  # does not raise
    assert not context.ok()
