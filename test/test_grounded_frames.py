"""Questions about several frames whose boxes are known."""

from dataclasses import replace

import numpy as np
import pytest

from vlm_ros.errors import InputError
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.frames import MAX_FRAMES, ONE_FRAME
from vlm_ros.grounding.moments import MAX_ASKED_FRAMES, NEVER_AT_ONCE
from vlm_ros.results import Answer, Detections, Status
from vlm_ros.tasks import FramesAnswerer, Ticket

THRESHOLD = 0.3
BOXES = 'its boxes are those of frame'
WHICH = 'cannot tell which moment is meant'
DOG, CAT = ('dog', (10, 10, 60, 60)), ('cat', (500, 300, 600, 400))
DOG_RIGHT = ('dog', (560, 10, 620, 60))
# Oldest first: a dog, two dogs, a cat, nothing.
FRAMES = [[DOG], [DOG, DOG_RIGHT], [CAT], []]


def images(frames=FRAMES):
    """Make images that a `Reel` tells apart."""
    return [np.full((480, 640, 3), number, np.uint8) for number in range(len(frames))]


class Reel:
    """Finds what is in the frame that an image's first pixel numbers."""

    score_threshold = THRESHOLD

    def __init__(self, frames=FRAMES, score=0.8, unrecognized=()):
        self.frames = frames
        self.score = score
        self.unrecognized = unrecognized
        self.looked_at = []

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        ticket.check()
        self.looked_at.append(int(image[0, 0, 0]))
        rows = [row for row in self.frames[image[0, 0, 0]] if row[0] in vocabulary.names]
        return Detections(
            np.array([xyxy for _, xyxy in rows], np.float32).reshape(-1, 4),
            np.full(len(rows), self.score, np.float32),
            tuple(name for name, _ in rows),
            tuple(name for name in vocabulary.names if name in self.unrecognized),
        )


class OneFrame:
    """Answers about one image."""

    def __init__(self, text='asleep'):
        self.text = text
        self.asked = []

    def answer(self, image, question, *, choices=(), ticket=None):
        self.asked.append((question, [int(image[0, 0, 0])]))
        ticket.report_partial(self.text)
        return Answer(Status.OK, self.text, 0.9)


class ManyFrames(OneFrame):
    """Answers about several."""

    def answer_frames(self, images, question, *, choices=(), ticket=None):
        self.asked.append((question, [int(image[0, 0, 0]) for image in images]))
        return Answer(Status.OK, self.text, 0.9)


def ask(question, answerer=None, detector=None, **options):
    grounded = GroundedAnswerer(detector or Reel(), answerer)
    return grounded.answer_frames(images(), question, **options)


def told(answer):
    if answer.status is Status.OK:
        return f'{answer.text} ({answer.message})'
    return f'{answer.status.name}: {answer.message}'


@pytest.mark.parametrize(
    ('question', 'expected'),
    [
        ('Is there a dog?', 'yes (last seen in frame 2 of 4)'),
        ('Is there a cat?', 'yes (last seen in frame 3 of 4)'),
        ('Are there two dogs?', 'yes (last seen in frame 2 of 4)'),
        ('Is there a zebra?', 'no (seen in none of 4 frames)'),
        ('Are there three dogs?', f'no (seen in none of 4 frames; {BOXES} 2 of 4)'),
        ('Is there a dog and a cat?', f'UNSURE: {WHICH}: {NEVER_AT_ONCE}'),
        ('Is there a dog and a zebra?', f'no (seen in none of 4 frames; {BOXES} 2 of 4)'),
        ('Is there a dog and no zebra?', ('there are two dogs and no zebra in view (last'
         ' seen in frame 2 of 4)')),
        ('Is there a dog and no cat?', f'UNSURE: {WHICH}: it is so only in frame 1, 2 of 4'),
        ('Were there at most two dogs?', f'yes (so in each of the 4 frames; {BOXES} 2 of 4)'),
        ('Was there at most one dog?', 'no (last seen in frame 2 of 4)'),
        ('Was there exactly one dog?', f'UNSURE: {WHICH}: it is so only in frame 1 of 4'),
        ('Is there a dog that is not on the left?', ('one dog is on the left and one is'
         ' not (last seen in frame 2 of 4)')),
        ('Are all dogs on the left?', f'UNSURE: {WHICH}: it is so only in frame 1 of 4'),
        ('Is the cat not on the left?', ('the cat is not on the left (so in 1 of 4'
         f' frames, and in none is it otherwise; {BOXES} 3 of 4)')),
        ('Are there as many zebras as horses?', ('NOT_IN_VIEW: there is no zebra and no horse in'
         ' view, in none of 4 frames')),
        ('Is there no dog?', 'there are two dogs in view (last seen in frame 2 of 4)'),
        ('Is there no zebra?', 'there is no zebra in view (seen in none of 4 frames)'),
        ('Is the dog on the left?', 'yes (last seen in frame 1 of 4)'),
        ('Is the zebra on the left?', 'NOT_IN_VIEW: there is no zebra in view'),
        ('How many dogs are there?', '2 (the most at once, in frame 2 of 4)'),
        ('How many cats are there?', '1 (the most at once, in frame 3 of 4)'),
        ('How many zebras are there?', '0 (the most at once, in frame 4 of 4)'),
        ('Where is the cat?', 'in the lower right (in frame 3 of 4, not in those after it)'),
        ('Where is the zebra?', 'NOT_IN_VIEW: there is no zebra in view, in none of 4 frames'),
        ('What time is it in Tokyo?', 'UNSURE: cannot tell: no image shows that'),
    ],
)  # fmt: skip
def test_a_detector_alone(question, expected):
    assert told(ask(question)) == expected


def test_nothing_is_looked_at_that_cannot_change_the_answer():
    reel = Reel()
    ask('Is there a cat?', detector=reel)
    assert reel.looked_at == [3, 2]
    reel = Reel([[], [], [CAT], [CAT]])
    ask('Where is the cat?', detector=reel)
    assert reel.looked_at == [3]


def test_a_doubtful_box_in_one_frame_is_no_no():
    answer = ask('Is there a cat?', detector=Reel(score=0.2))
    assert told(answer) == 'UNSURE: cannot tell: there may be a cat in view'
    answerer = ManyFrames('no')
    assert ask('Is there a cat?', answerer, Reel(score=0.2)).text == 'no'
    assert answerer.asked == [('Is there a cat?', [0, 1, 2, 3])]


def test_evidence_is_of_the_frame_that_is_named():
    answer = ask('Is there a dog?')
    assert answer.evidence.xyxy[:, 0].tolist() == [10, 560]


def test_choices_are_kept_to():
    assert ask('How many dogs are there?', choices=('one', 'two')).text == 'two'
    assert ask('How many dogs are there?', choices=('five', 'six')).status is Status.UNSURE
    assert ask('Is there a dog?', choices=('true', 'false')).text == 'true'


def test_open_questions_go_to_a_model_that_takes_several_frames():
    answerer = ManyFrames()
    assert isinstance(answerer, FramesAnswerer)
    answer = ask('Why does the cat sit?', answerer)
    assert (answer.text, answer.evidence.labels) == ('asleep', ('cat',))
    assert answerer.asked == [('Why does the cat sit?', [0, 1, 2, 3])]


def test_open_questions_go_to_the_newest_frame_that_shows_what_they_take_for_granted():
    answerer = OneFrame()
    answer = ask('Why does the cat sit?', answerer)
    assert told(answer) == 'asleep (in frame 3 of 4, not in those after it)'
    assert answer.evidence.xyxy[:, 0].tolist() == [500]
    assert answerer.asked == [('Why does the cat sit?', [2])]
    frames = [[DOG], [CAT, DOG], [], [CAT]]
    answer = ask('Why does the cat sit?', OneFrame(), Reel(frames))
    assert told(answer) == f'asleep ({ONE_FRAME})'


@pytest.mark.parametrize(
    ('frames', 'question', 'expected'),
    [
        ([[DOG], []], 'Are there more dogs than cats?', 'yes (in frame 1 of 2)'),
        (
            [[DOG], [CAT]],
            'Are there more dogs than cats?',
            "UNSURE: it differs from frame to frame: 'no' in frame 2, 'yes' in frame 1 of 2",
        ),
        (
            [[DOG, CAT], []],
            'How many dogs and cats are there?',
            'a dog and a cat (in frame 1 of 2)',
        ),
        (
            [[DOG, CAT], [DOG]],
            'How many dogs and cats are there?',
            (
                "UNSURE: it differs from frame to frame: 'a dog and no cats' in frame 2,"
                " 'a dog and a cat' in frame 1 of 2"
            ),
        ),
        (
            [[DOG], []],
            'Is a dog not on the left?',
            (
                'the dog is on the left (and otherwise in none of 2 frames;'
                ' its boxes are those of frame 1 of 2)'
            ),
        ),
        (
            [[DOG], [CAT]],
            'Is the dog on the right?',
            'no (seen in none of 2 frames; its boxes are those of frame 1 of 2)',
        ),
    ],
)
def test_no_frame_is_passed_off_as_all_of_them(frames, question, expected):
    answer = GroundedAnswerer(Reel(frames)).answer_frames(images(frames), question)
    assert told(answer) == expected


def test_boxes_of_earlier_frames_are_said_to_be_so():
    answer = ask('Why does the cat look at the dog?', ManyFrames())
    where = 'the cat is in frame 3 and the dog is in frame 2 of 4'
    assert told(answer) == f'asleep ({where})'
    assert told(ask('Why is the sky blue?', ManyFrames())).count('frame') == 0


class ByFrame(OneFrame):
    """Says yes of some frames, by their index."""

    def __init__(self, yes):
        super().__init__()
        self.yes = yes

    def answer(self, image, question, *, choices=(), ticket=None):
        self.text = 'yes' if int(image[0, 0, 0]) in self.yes else 'no'
        return super().answer(image, question, choices=choices, ticket=ticket)


def test_every_frame_that_boxes_leave_open_is_asked_about():
    frames = [[DOG], [DOG], [], [DOG]]
    answerer = ByFrame({0})
    answer = ask('Is a dog asleep?', answerer, Reel(frames))
    assert told(answer) == 'yes (so in frame 1 of 4, which the model saw)'
    assert [asked for _, asked in answerer.asked] == [[3], [1], [0]]
    answer = ask('Is a dog asleep?', ByFrame({}), Reel(frames))
    assert told(answer) == 'no (of 4 frames, 3 by what the model saw)'


def test_a_model_that_was_not_asked_about_all_frames_says_no_of_none():
    count = MAX_ASKED_FRAMES + 1
    frames = [[DOG]] * count
    grounded = GroundedAnswerer(Reel(frames), ByFrame({}))
    answer = grounded.answer_frames(images(frames), 'Is a dog asleep?')
    assert answer.status is Status.UNSURE and answer.confidence == 0
    assert f'about {MAX_ASKED_FRAMES} of {count} frames' in answer.message


def test_a_count_that_another_frame_may_exceed_is_none():
    class Doubtful(Reel):
        def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
            found = super().detect(
                image, vocabulary, score_threshold=score_threshold, ticket=ticket
            )
            weak = 0.2 if int(image[0, 0, 0]) == 1 else 0.8
            return replace(found, scores=np.full(len(found), weak, np.float32))

    answer = ask('How many dogs are there?', detector=Doubtful())
    assert told(answer) == ('UNSURE: at least 1, as in frame 1 of 4; there may be more in frame 2')


def test_what_no_frame_shows_is_not_asked_about():
    answerer = ManyFrames()
    answer = ask('Why does the zebra sit?', answerer)
    assert (answer.status, answerer.asked) == (Status.NOT_IN_VIEW, [])


def test_a_claim_is_held_against_all_frames():
    assert ask('Why does the cat sit?', ManyFrames('it looks at a dog')).status is Status.OK
    answer = ask('Why does the cat sit?', ManyFrames('it looks at a zebra'))
    assert answer.status is Status.UNSURE and 'there is no zebra in view' in answer.message


@pytest.mark.parametrize(
    ('answerer', 'asked'), [(OneFrame('no'), [3]), (ManyFrames('no'), [0, 1, 2, 3])]
)
def test_without_the_guard_nothing_is_looked_for(answerer, asked):
    reel = Reel()
    answer = ask('Is there a dog?', answerer, reel, require_evidence=False)
    assert (answer.text, reel.looked_at) == ('no', [])
    assert answerer.asked == [('Is there a dog?', asked)]


def test_one_frame_is_answered_as_an_image_is():
    grounded = GroundedAnswerer(Reel())
    image = images()[1]
    single, frames = (
        grounded.answer(image, 'How many dogs are there?'),
        grounded.answer_frames([image], 'How many dogs are there?'),
    )
    assert (single.text, single.message) == (frames.text, frames.message) == ('2', '')


def test_one_image_is_not_passed_off_as_some_seconds():
    answer = GroundedAnswerer(Reel()).answer(images()[3], 'Was there a dog in the last 5 seconds?')
    note = 'one image was looked at, though the last 5 s are asked about'
    assert told(answer) == f'no ({note})'


def test_the_region_counts_in_every_frame():
    answer = ask('Is there a dog?', region_xyxy=(320, 0, 640, 480))
    assert told(answer) == 'yes (last seen in frame 2 of 4)'
    assert answer.evidence.xyxy[:, 0].tolist() == [560]
    assert ask('Is there a cat?', region_xyxy=(0, 0, 320, 480)).text == 'no'


def test_partial_output_is_the_answer_and_not_that_of_each_frame():
    said = []
    ask('How many dogs are there?', ticket=Ticket(on_partial=said.append))
    assert said == ['2']


@pytest.mark.parametrize('count', [0, MAX_FRAMES + 1])
def test_no_image_and_too_many_are_refused(count):
    with pytest.raises(InputError, match=f'there are {count} images'):
        GroundedAnswerer(Reel()).answer_frames(images()[:1] * count, 'Is there a dog?')
