"""The monitor node, through real topics: what is published of statements, and when."""

import itertools
import threading

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
import numpy as np
import picture_seer
from picture_seer import BOTH, DOG, EMPTY, PERSON
import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile

from vlm_ros import backends, phrases
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.data.photographs import samples
from vlm_ros.errors import InputError, ModelError
from vlm_ros.nodes.conversions import image_to_msg
from vlm_ros.nodes.monitor import MonitorNode
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros_interfaces.msg import ResultStatus, StatementState
from vlm_ros_interfaces.srv import SetStatements

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PERSON_TOPIC = 'statements/person'
SEER = {
    'backend': 'callable',
    'model': picture_seer.__name__,
    'statements': "['person: there is a person', 'dog: there is a dog']",
    'max_rate_hz': '0.0',
    'max_image_age_s': '15.0',
}
ONE = {'agreeing': '1', 'frames': '1', 'release': '1'}
UNKNOWN, TRUE, FALSE = StatementState.UNKNOWN, StatementState.TRUE, StatementState.FALSE


class Monitored:
    """A monitor, and what it publishes."""

    def __init__(self, graph, *, active=True, **parameters):
        self.graph = graph
        graph.start(MonitorNode, monitor={**SEER, **parameters}, active=active)
        self.node = graph.nodes[0]

    def listen(self, topic=PERSON_TOPIC):
        """Collect states, the latched one first."""
        states = self.graph.collect(StatementState, topic, LATCHED)
        self.graph.spin_until(lambda: states, f'the state of {topic}')
        return states

    def picture(self, brightness):
        msg = self.graph.stamped()
        return image_to_msg(np.full((48, 64, 3), brightness, np.uint8), msg.header)

    def show(self, *pictures, topic='image'):
        """Show pictures, each once the one before was looked at; returns the last."""
        camera = topic.rpartition('/')[0]
        for brightness in pictures:
            self.graph.connect(topic)
            looked = self.node._meters[camera].processed
            msg = brightness
            if isinstance(brightness, int):
                msg = self.picture(brightness)
            self.graph.publish(msg, topic)
            self.graph.spin_until(
                lambda before=looked: self.node._meters[camera].processed > before, 'a look'
            )
        return msg

    def show_until(self, states, verdict, brightness):
        """Show a picture again and again until a verdict holds; returns the last message."""
        while True:
            msg = self.show(brightness)
            self.graph.spin_for(0.1)
            if states[-1].verdict == verdict:
                return msg

    def set_statements(self, *statements):
        request = SetStatements.Request(statements=statements)
        return self.graph.call(SetStatements, 'set_statements', request)


@pytest.fixture
def monitor(graph):
    return lambda **parameters: Monitored(graph, **parameters)


def photograph(graph, name):
    """An image message of a photograph, stamped now."""
    ((_, path),) = samples(name)
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return image_to_msg(image, graph.stamped().header)


def codes(states):
    return [(state.verdict, state.status.code) for state in states]


def wait_for(graph, states, verdict, code):
    return graph.spin_until(
        lambda: next((s for s in states if (s.verdict, s.status.code) == (verdict, code)), None),
        f'verdict {verdict} with status {code}',
    )


def test_a_change_is_published_with_what_led_to_it(graph, monitor):
    watched = monitor()
    persons, dogs = watched.listen(), watched.listen('statements/dog')
    assert codes(persons) == [(UNKNOWN, ResultStatus.NO_IMAGE)]
    assert '/image' in persons[0].status.message
    shown = [watched.show(picture) for picture in (EMPTY, PERSON, PERSON, PERSON)]
    state = wait_for(graph, persons, TRUE, ResultStatus.OK)
    assert (state.name, state.statement) == ('person', 'there is a person')
    assert (state.agreeing, state.frames) == (3, 4)
    assert state.confidence == pytest.approx(0.9)
    assert state.status.message == ''
    (found,) = state.evidence.detections
    assert found.results[0].hypothesis.class_id == 'person'
    assert state.header == state.evidence.header == shown[-1].header
    assert state.provenance.image_header == shown[-1].header
    assert state.provenance.model_id == f'callable:{picture_seer.__name__}'
    assert state.provenance.age.sec >= 0
    assert state.since == shown[1].header.stamp, 'the first of those that led to it'
    wait_for(graph, dogs, FALSE, ResultStatus.OK)
    watched.show(PERSON, PERSON, EMPTY)
    graph.spin_for(0.1)
    unsure = (UNKNOWN, ResultStatus.UNSURE)
    assert codes(persons)[1:] == [unsure, (TRUE, ResultStatus.OK)], 'changes and nothing else'
    assert codes(dogs)[1:] == [unsure, (FALSE, ResultStatus.OK)]


def test_who_comes_late_gets_what_holds(graph, monitor):
    watched = monitor(**ONE)
    watched.show(PERSON, EMPTY, PERSON)
    states = watched.listen()
    assert codes(states) == [(TRUE, ResultStatus.OK)]


def test_a_flickering_scene_is_one_change(graph, monitor):
    watched = monitor()
    states = watched.listen()
    watched.show(*itertools.islice(itertools.cycle((PERSON, EMPTY)), 12))
    graph.spin_for(0.1)
    unsure, no_image = (UNKNOWN, ResultStatus.UNSURE), (UNKNOWN, ResultStatus.NO_IMAGE)
    assert codes(states) == [no_image, unsure, (TRUE, ResultStatus.OK)]
    watched.show(EMPTY, EMPTY, EMPTY)
    wait_for(graph, states, FALSE, ResultStatus.OK)
    assert len(states) == 4


def test_without_hysteresis_every_look_counts(graph, monitor):
    watched = monitor(**ONE)
    states = watched.listen()
    watched.show(PERSON, EMPTY, PERSON)
    graph.spin_until(lambda: len(states) == 4)
    assert [state.verdict for state in states] == [UNKNOWN, TRUE, FALSE, TRUE]


def test_a_camera_that_falls_silent_leaves_nothing_known(graph, monitor):
    watched = monitor(**ONE, max_image_age_s='1.5')
    states = watched.listen()
    last = watched.show_until(states, TRUE, PERSON)
    graph.disconnect()
    stale = wait_for(graph, states, UNKNOWN, ResultStatus.STALE)
    assert 'no image for 1.5 s' in stale.status.message
    assert (stale.header, stale.since) == (last.header, last.header.stamp)
    assert (stale.agreeing, stale.frames, stale.confidence) == (0, 0, 0.0)
    assert stale.provenance.age.sec >= 1
    graph.spin_for(1.0)
    assert states[-1] == stale, 'once'
    watched.show_until(states, TRUE, PERSON)


def test_an_image_that_is_old_already_tells_nothing(graph, monitor):
    watched = monitor(**ONE, max_image_age_s='2.0')
    states = watched.listen()
    old = watched.picture(PERSON)
    old.header.stamp.sec -= 3
    watched.show(old)
    stale = wait_for(graph, states, UNKNOWN, ResultStatus.STALE)
    assert stale.header == old.header
    assert TRUE not in [state.verdict for state in states]


def test_a_model_that_hangs_leaves_nothing_known(graph, monitor):
    watched = monitor(
        **ONE,
        backend='fake',
        model="''",
        backend_options="'script=ok*4 hang...'",
        statements="['person: there is a person']",
        max_image_age_s='2.0',
        watchdog_s='10.0',
    )
    states = watched.listen()
    graph.connect()

    def show_until(verdict, code):
        def shown():
            graph.publish(watched.picture(PERSON))
            graph.spin_for(0.05)
            return [s for s in states if (s.verdict, s.status.code) == (verdict, code)]

        return graph.spin_until(shown, f'status {code}')[0]

    show_until(TRUE, ResultStatus.OK)
    timeout = show_until(UNKNOWN, ResultStatus.TIMEOUT)
    assert 'has not got to this statement for 2 s' in timeout.status.message


def test_without_a_model_nothing_is_known(graph, monitor, monkeypatch):
    watched = monitor(**ONE)
    states = watched.listen()
    watched.show(PERSON)
    wait_for(graph, states, TRUE, ResultStatus.OK)

    def missing(self):
        raise ModelError('the model fell over')

    with monkeypatch.context() as patch:
        patch.setattr(ModelWorker, 'model', property(missing))
        failed = wait_for(graph, states, UNKNOWN, ResultStatus.FAILED)
        assert failed.status.message == 'the model fell over'
        watched.show(PERSON, EMPTY, PERSON)
        graph.spin_for(0.6)
        assert states[-1] == failed, 'once, whether images come or not'
    watched.show(PERSON)
    graph.spin_until(lambda: states[-1].verdict == TRUE)


def test_a_bad_image_is_outvoted(graph, monitor):
    watched = monitor()
    states = watched.listen()
    watched.show(PERSON, PERSON, PERSON)
    wait_for(graph, states, TRUE, ResultStatus.OK)
    before = len(states)
    bad = graph.stamped(encoding='rgb9')
    watched.show(bad, PERSON, PERSON)
    assert len(states) == before
    for _ in range(4):
        watched.show(graph.stamped(encoding='rgb9'))
    failed = wait_for(graph, states, UNKNOWN, ResultStatus.FAILED)
    assert 'rgb9' in failed.status.message


def test_what_is_presupposed_and_absent_is_unknown_and_says_so(graph, monitor):
    watched = monitor(**ONE, statements="['left: the dog is left of the person']")
    states = watched.listen('statements/left')
    watched.show(PERSON)
    state = wait_for(graph, states, UNKNOWN, ResultStatus.NOT_IN_VIEW)
    assert 'dog' in state.status.message


def test_each_camera_has_its_states(graph, monitor):
    watched = monitor(
        **ONE,
        cameras='[front, rear]',
        statements="['person: there is a person', 'dog@rear: there is a dog']",
    )
    front, rear = (watched.listen(f'{camera}/{PERSON_TOPIC}') for camera in ('front', 'rear'))
    watched.show(PERSON, topic='front/image')
    wait_for(graph, front, TRUE, ResultStatus.OK)
    assert codes(rear) == [(UNKNOWN, ResultStatus.NO_IMAGE)]
    watched.show(DOG, topic='rear/image')
    wait_for(graph, rear, FALSE, ResultStatus.OK)
    assert (front[-1].provenance.camera, rear[-1].provenance.camera) == ('front', 'rear')
    dogs = watched.listen('rear/statements/dog')
    assert codes(dogs) == [(TRUE, ResultStatus.OK)]
    assert not graph.client.get_publishers_info_by_topic('/front/statements/dog')


def test_statements_can_be_changed_while_others_go_on(graph, monitor):
    watched = monitor(**ONE)
    persons, dogs = watched.listen(), watched.listen('statements/dog')
    watched.show(BOTH)
    wait_for(graph, persons, TRUE, ResultStatus.OK)
    wait_for(graph, dogs, TRUE, ResultStatus.OK)
    response = watched.set_statements('person: there is a person', 'nobody: there is no person')
    assert (response.success, response.message) == (True, '')
    topic = '/statements/dog'
    graph.spin_until(lambda: not graph.client.get_publishers_info_by_topic(topic), 'its end')
    nobody = watched.listen('statements/nobody')
    assert codes(nobody) == [(UNKNOWN, ResultStatus.UNSURE)]
    assert 'no image was looked at yet' in nobody[0].status.message
    watched.show(PERSON)
    wait_for(graph, nobody, FALSE, ResultStatus.OK)
    assert codes(persons)[1:] == [(TRUE, ResultStatus.OK)], 'undisturbed'
    # Another statement under the same name begins anew.
    assert watched.set_statements('person: there is a dog').success
    graph.spin_until(lambda: codes(persons)[-1] == (UNKNOWN, ResultStatus.UNSURE))
    assert persons[-1].statement == 'there is a dog'
    watched.show(PERSON)
    wait_for(graph, persons, FALSE, ResultStatus.OK)
    assert watched.set_statements().success
    topic = '/statements/person'
    graph.spin_until(lambda: not graph.client.get_publishers_info_by_topic(topic), 'its end')


def test_a_new_statement_has_a_state_before_any_image(monitor):
    watched = monitor()
    persons = watched.listen()
    assert watched.set_statements('person: there is a dog', 'late: there is a person').success
    (late,) = watched.listen('statements/late')
    assert (late.statement, late.status.code) == ('there is a person', ResultStatus.NO_IMAGE)
    watched.graph.spin_until(lambda: persons[-1].statement == 'there is a dog', 'its own state')
    assert codes(persons) == [(UNKNOWN, ResultStatus.NO_IMAGE)] * 2


def test_the_tagger_of_words_is_loaded_before_a_statement_needs_it(monitor, monkeypatch):
    loaded = threading.Event()
    monkeypatch.setattr(phrases, 'preload', loaded.set)
    monitor()
    assert loaded.wait(10.0)


@pytest.mark.parametrize(
    ('statements', 'message'),
    [
        (['there is a person'], 'has no name'),
        (['1: there is a person'], 'cannot be part of a topic'),
        (['a: there is a person', 'a: there is a dog'], 'given twice'),
        (['a: '], 'is empty'),
        ([f'a: {"x" * 100_000}'], '100000 characters'),
        (['a: x\x07'], 'control characters'),
        ([f'a{n}: there is a person' for n in range(51)], 'at most 50'),
        (['a@rear: there is a person'], "no camera 'rear'"),
    ],
)
def test_bad_statements_are_refused_and_what_was_watched_goes_on(
    graph, monitor, statements, message
):
    watched = monitor(**ONE)
    states = watched.listen()
    response = watched.set_statements(*statements)
    assert not response.success
    assert message in response.message and '\n' not in response.message
    watched.show(PERSON)
    wait_for(graph, states, TRUE, ResultStatus.OK)


def test_a_statement_whose_topic_would_be_too_long_is_refused(graph, monkeypatch):
    namespace, init = '/' + 'n' * 190, rclpy.init

    def init_in_namespace(args=None, **how):
        init(args=args and [*args, '-r', f'__ns:={namespace}'], **how)

    monkeypatch.setattr(rclpy, 'init', init_in_namespace)
    monkeypatch.setattr(backends, 'load', lambda *_, **__: FakeBackend())
    graph.start(MonitorNode)

    def watch(name):
        request = SetStatements.Request(statements=[f'{name}: there is a dog'])
        return graph.call(SetStatements, f'{namespace}/set_statements', request)

    assert watch('short').success
    refused = watch('b' * 50)
    assert not refused.success
    assert 'take a shorter name or namespace' in refused.message
    topic = f'{namespace}/statements/short'
    assert graph.collect(StatementState, topic, LATCHED) is not None, 'watched on'


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'agreeing': '2', 'frames': '4'}, 'more than half of the 4 frames'),
        ({'release': '4'}, 'release must be 1 to 3'),
        ({'max_rate_hz': '0.1', 'max_image_age_s': '2.0'}, 'raise one of them'),
        ({'statements': "'person'"}, 'has no name'),
    ],
)
def test_contradictory_parameters_are_refused_at_the_start(graph, values, message):
    with pytest.raises(InputError, match=message):
        graph.start(MonitorNode, monitor={**SEER, **values})


def test_a_deactivated_monitor_knows_nothing(graph, monitor):
    watched = monitor(**ONE)
    states = watched.listen()
    watched.show(PERSON)
    wait_for(graph, states, TRUE, ResultStatus.OK)
    assert graph.change_state('monitor', Transition.TRANSITION_DEACTIVATE)
    inactive = wait_for(graph, states, UNKNOWN, ResultStatus.FAILED)
    assert inactive.status.message == 'monitor is inactive; activate it'
    count = len(states)
    graph.publish(watched.picture(EMPTY))
    graph.spin_for(0.6)
    assert len(states) == count
    assert watched.set_statements('person: there is a person', 'dog: there is a dog').success
    assert graph.change_state('monitor', Transition.TRANSITION_ACTIVATE)
    graph.spin_until(lambda: len(states) > count)
    assert codes(states)[count:] == [(UNKNOWN, ResultStatus.NO_IMAGE)]
    watched.show(PERSON)
    graph.spin_until(lambda: states[-1].verdict == TRUE)


def test_before_it_is_active_a_state_says_why_nothing_is_known(graph, monitor):
    watched = monitor(active=False, autostart='false')
    states = watched.listen()
    assert codes(states) == [(UNKNOWN, ResultStatus.FAILED)]
    assert 'unconfigured; configure and activate it' in states[0].status.message


def test_statements_that_one_turn_has_no_time_for_come_first_in_the_next(graph, monitor):
    names = ('a', 'b', 'c')
    watched = monitor(
        **ONE,
        backend='fake',
        model="''",
        backend_options='latency_s=0.1',
        statements="'a: there is a cup, b: there is a dog, c: there is a lamp'",
        timeout_s='0.01',
    )
    states = {name: watched.listen(f'statements/{name}') for name in names}
    for known in range(1, len(names) + 1):
        watched.show(PERSON)
        graph.spin_until(
            lambda known=known: [s[-1].verdict for s in states.values()].count(TRUE) == known
        )


def test_statements_about_the_same_things_share_a_look(graph, monitor, monkeypatch):
    names_looked_for = []
    model = FakeBackend()
    detect = model.detect

    def count(image, vocabulary, **how):
        names_looked_for.append(vocabulary.names)
        return detect(image, vocabulary, **how)

    monkeypatch.setattr(model, 'detect', count)
    monkeypatch.setattr(backends, 'load', lambda *_, **__: model)
    statements = "['cup: there is a cup', 'none: there is no cup', 'dog: there is a dog']"
    watched = monitor(**ONE, statements=statements)
    cups, none = watched.listen('statements/cup'), watched.listen('statements/none')
    for looks in (1, 2):
        watched.show(PERSON)
        assert names_looked_for.count(('cup',)) == names_looked_for.count(('dog',)) == looks
    wait_for(graph, cups, TRUE, ResultStatus.OK)
    wait_for(graph, none, FALSE, ResultStatus.OK)


def test_diagnostics_say_what_holds(graph, monitor):
    watched = monitor(**ONE)
    arrays = graph.collect(DiagnosticArray, '/diagnostics')
    watched.show(PERSON)

    def said():
        return [
            {value.key: value.value for value in status.values}
            for array in arrays
            for status in array.status
            if status.name.endswith('statements')
        ]

    graph.spin_until(lambda: said() and said()[-1].get('statements/person') == 'TRUE OK')
    assert said()[-1]['statements/dog'] == 'FALSE OK'


def test_embedded_watches_real_photographs(graph, monitor):
    watched = monitor(
        **ONE,
        active=False,
        backend='embedded',
        model="''",
        statements="['cat: there is a cat', 'nobody: there is no person']",
        max_image_age_s='60.0',
        timeout_s='60.0',
    )
    while not watched.node.is_active:  # a busy machine loads it for longer than the others
        graph.spin_for(0.1)
    cats, nobody = watched.listen('statements/cat'), watched.listen('statements/nobody')
    watched.show(photograph(graph, 'chelsea'))
    cat = wait_for(graph, cats, TRUE, ResultStatus.OK)
    assert cat.evidence.detections
    assert cat.provenance.model_id.startswith('embedded')
    wait_for(graph, nobody, TRUE, ResultStatus.OK)
    watched.show(photograph(graph, 'astronaut'))
    wait_for(graph, cats, FALSE, ResultStatus.OK)
    wait_for(graph, nobody, FALSE, ResultStatus.OK)
