"""Questions about the last few seconds, and the frames that are kept for them."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
import pytest
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header

from vlm_ros.errors import InputError
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.query import QueryNode
from vlm_ros.nodes.recent_frames import reach_s, RecentFrames
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion

PATIENT = {'max_image_age_s': '60.0', 'timeout_s': '20.0'}


def frame_at(taken_s):
    msg = Image(header=Header(frame_id='front'))
    msg.header.stamp.sec, nanoseconds = divmod(round(taken_s * 1e9), 10**9)
    msg.header.stamp.nanosec = nanoseconds
    return Frame(msg)


def times(frames, newest):
    return [round(reach_s(frame, newest), 3) for frame in frames]


def test_frames_are_spread_over_the_span():
    recent = RecentFrames(5, 10.0)
    for tick in range(1, 1000):
        recent.add(frame_at(tick / 30))
    newest = frame_at(1000 / 30)
    ages_s = times(recent.before(newest, 10.0), newest)
    assert len(ages_s) == 5
    assert ages_s[0] > 7.0 and ages_s[-1] < 2.1
    steps_s = [older - younger for older, younger in itertools.pairwise(ages_s)]
    assert min(steps_s) > 1.8


@given(
    st.integers(1, 8),
    st.floats(0.5, 20.0),
    st.lists(st.floats(0.001, 30.0), max_size=60),
)
def test_no_more_frames_and_no_older_ones_are_kept(max_frames, span_s, steps_s):
    recent = RecentFrames(max_frames, span_s)
    now_s = 1.0
    for step_s in steps_s:
        now_s += step_s
        recent.add(frame_at(now_s))
    newest = frame_at(now_s + 0.001)
    kept = recent.before(newest, span_s)
    assert len(kept) <= max_frames
    assert all(age_s <= span_s + 0.002 for age_s in times(kept, newest))
    assert times(kept, newest) == sorted(times(kept, newest), reverse=True)


def test_only_the_frames_of_the_window_are_given_and_not_the_newest_itself():
    recent = RecentFrames(10, 10.0)
    frames = [frame_at(second) for second in range(1, 8)]
    for frame in frames:
        recent.add(frame)
    assert times(recent.before(frames[-1], 3.0), frames[-1]) == [3.0, 2.0, 1.0]
    assert recent.before(frames[-1], 0.5) == []


def test_time_that_jumps_back_forgets_what_was_before():
    recent = RecentFrames(10, 10.0)
    for second in (100, 101, 102, 5, 6):
        recent.add(frame_at(second))
    newest = frame_at(7)
    assert times(recent.before(newest, 10.0), newest) == [2.0, 1.0]
    recent.clear()
    assert recent.before(newest, 10.0) == []


def test_frames_without_stamps_are_ordered_by_their_coming():
    recent = RecentFrames(4, 0.001)
    frames = [Frame(Image()) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.received_s = 50.0 + number * 0.0005
        recent.add(frame)
    assert recent.before(frames[-1], 0.001)[-1] is frames[1]


def test_a_longer_window_than_frames_are_kept_is_refused():
    with pytest.raises(InputError, match='raise the parameter window_s'):
        RecentFrames(8, 10.0).before(frame_at(1), 60.0)


@pytest.fixture
def ask(graph):
    """Start a query node with the fake backend; returns a function that asks it."""

    def start(**parameters):
        graph.start(QueryNode, query={'backend': 'fake', **PATIENT, **parameters})
        graph.connect()

        def ask(question, **fields):
            request = AnswerQuestion.Request(question=question, **fields)
            return graph.call(AnswerQuestion, 'answer_question', request)

        return ask

    return start


def show_two(graph, ask):
    """Show two images, the first of which is kept; with a call that takes no step of a script."""
    for _ in range(2):
        msg = graph.stamped()
        graph.publish(msg)
        graph.spin_until(
            lambda msg=msg: ask('ignore the image').provenance.image_header == msg.header
        )
        graph.spin_for(0.3)
    return msg


def test_what_an_earlier_frame_shows_is_told_with_the_frame(graph, ask):
    ask = ask(window_s='60.0', backend_options='script="empty ok..."')
    newest = show_two(graph, ask)
    response = ask('Was there a person in the last minute?')
    assert (response.answer, response.status.code) == ('yes', ResultStatus.OK), response.status
    assert 'last seen in frame 1 of 2' in response.status.message
    assert 'looked at 2 frames of the last ' in response.status.message
    assert response.provenance.image_header == newest.header
    assert len(response.evidence.detections) == 1


def test_the_window_of_the_request_counts_as_well(graph, ask):
    ask = ask(window_s='60.0', backend_options='script="empty ok..."')
    show_two(graph, ask)
    response = ask('How many people are there?', window_s=60.0)
    assert (response.status.code, response.answer) == (ResultStatus.OK, '1')
    assert 'the most at once, in frame 2 of 2' in response.status.message


def test_without_a_window_only_the_newest_image_is_looked_at(graph, ask):
    ask = ask(window_s='60.0', backend_options='script="empty ok..."')
    show_two(graph, ask)
    response = ask('Is there a person?')
    assert (response.answer, response.status.message) == ('no', '')


BAD_REQUESTS = [
    ('Is there a cup in the last minute?', {}, 'raise the parameter window_s'),
    ('Is there a cup?', {'window_s': 60.0}, 'raise the parameter window_s'),
    ('Is there a cup?', {'window_s': -1.0}, 'window_s must be 0 or more seconds'),
    ('Is there a cup?', {'window_s': float('nan')}, 'window_s must be 0 or more seconds'),
    ('Is there a cup?', {'window_s': 2.0, 'image': True}, 'brings its own image'),
    ('Is there a cup?', {'choices': ['yes', 'yes']}, 'a choice is given twice'),
    ('Is there a cup?', {'choices': ['']}, 'a choice is blank'),
    ('\x07\x1b', {}, 'the question has no words'),
    ('?!...', {}, 'the question has no words'),
    ('is there a cup? ' * 7000, {}, 'the question has 112000 characters'),
    ('Is there a cup?', {'roi': (900, 900, 5, 5)}, 'the region lies outside the image'),
]


def test_requests_that_cannot_be_worked_on_say_why_and_disturb_nothing(graph, ask):
    ask = ask()
    show_two(graph, ask)
    for question, fields, message in BAD_REQUESTS:
        made = dict(fields)
        if 'image' in made:
            made['image'] = graph.stamped()
        if 'roi' in made:
            names = ('x_offset', 'y_offset', 'width', 'height')
            made['roi'] = RegionOfInterest(**dict(zip(names, made['roi'], strict=True)))
        response = ask(question, **made)
        assert response.status.code == ResultStatus.FAILED, question[:50]
        assert message in response.status.message and '\n' not in response.status.message
        assert ask('Is there a person?').answer == 'yes'
