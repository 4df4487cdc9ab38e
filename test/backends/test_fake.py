import itertools
import subprocess
import sys
import threading

import numpy as np
import pytest
import yaml

from vlm_ros import backends
from vlm_ros.backends.fake import FakeBackend, loading
from vlm_ros.backends.fake.script import Script, Step
from vlm_ros.errors import (
    BackendError,
    DeadlineExceeded,
    InputError,
    ModelError,
    OutOfMemory,
    QuestionError,
    WorkCancelled,
)
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Status
from vlm_ros.tasks import BatchDetector, ReleasesMemory, Ticket

IMAGE = np.zeros((100, 200, 3), np.uint8)
CAT = Vocabulary(('cat',))
MEMORY_MB = 64


@pytest.fixture
def _fresh_failures():
    loading.forget_failures()
    yield
    loading.forget_failures()


def steps_of(script, count):
    script = Script(script)
    return [script.take() for _ in range(count)]


def kinds_of(script, count):
    return [step.kind for _, step in steps_of(script, count)]


def test_finds_every_name_once_but_absent_and_unknown_ones():
    found = FakeBackend().detect(IMAGE, Vocabulary.parse('cat, dog, absent cup, unknown thing'))
    assert found.labels == ('cat', 'dog')
    assert found.unrecognized == ('unknown thing',)


def test_finds_a_name_at_the_same_place_whatever_else_is_asked_for():
    first = FakeBackend().detect(IMAGE, CAT)
    again = FakeBackend().detect(IMAGE, Vocabulary(('dog', 'Cat')))
    np.testing.assert_array_equal(first.xyxy[0], again.named('Cat').xyxy[0])


@pytest.mark.parametrize(
    'scene',
    [
        {'Big Cup': [(0, 0, 0.5, 0.5), (0.5, 0.5, 1, 1)]},
        'Big Cup 0 0 .5 .5; big cup 0.5 0.5 1 1;',
    ],
)
def test_scene_says_what_is_there_and_where(scene):
    found = FakeBackend(scene=scene).detect(IMAGE, Vocabulary.parse('big cup, cat'))
    assert found.labels == ('big cup', 'big cup')
    np.testing.assert_allclose(found.xyxy, [[0, 0, 100, 50], [100, 50, 200, 100]])


@pytest.mark.parametrize('box', [(0.5, 0, 0.2, 1), (0, 0, 2, 1), (-0.1, 0, 1, 1)])
def test_scene_outside_the_image_is_refused(box):
    with pytest.raises(InputError, match='outside'):
        FakeBackend(scene={'cup': [box]})


@pytest.mark.parametrize('scene', ['cup', 'cup 0 0 1', '0 0 1 1', 'cup 0 0 1 x', 3, ['cup']])
def test_scene_that_cannot_be_understood_is_refused(scene):
    with pytest.raises(InputError, match='NAME LEFT TOP RIGHT BOTTOM'):
        FakeBackend(scene=scene)


def test_question_about_something_absent_is_not_in_view():
    answer = FakeBackend(scene={}).answer(IMAGE, 'is the cup full?')
    assert answer.status is Status.NOT_IN_VIEW
    assert 'cup' in answer.message


def test_answer_comes_word_by_word():
    parts = []
    answer = FakeBackend().answer(
        IMAGE, 'is the cup full?', ticket=Ticket(on_partial=parts.append)
    )
    assert parts[-1] == answer.text
    assert len(parts) == len(answer.text.split()) > 1
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(parts))


def test_answer_is_one_of_the_choices():
    choices = ('red', 'green', 'blue')
    assert FakeBackend().answer(IMAGE, 'which colour?', choices=choices).text in choices


def test_cancel_between_words_ends_an_answer():
    parts = []
    ticket = Ticket(on_partial=lambda text: parts.append(text) or ticket.cancel())
    with pytest.raises(WorkCancelled):
        FakeBackend().answer(IMAGE, 'is the cup full?', ticket=ticket)
    assert len(parts) == 1


@pytest.mark.parametrize('options', [{'latency_s': 5}, {'script': 5}])
def test_latency_runs_into_the_deadline(options):
    with pytest.raises(DeadlineExceeded):
        FakeBackend(**options).detect(IMAGE, CAT, ticket=Ticket(0.05))


def test_script_has_a_step_for_each_call_and_starts_again():
    assert steps_of('0.1 fail stuck:2', 4) == [
        (1, Step('ok', 0.1)),
        (2, Step('fail')),
        (3, Step('stuck', 2.0)),
        (4, Step('ok', 0.1)),
    ]


def test_script_repeats_a_step():
    assert kinds_of('ok*2 hang', 4) == ['ok', 'ok', 'hang', 'ok']
    assert kinds_of(['crash*2', 0.5], 3) == ['crash', 'crash', 'ok']


@pytest.mark.parametrize('script', ['ok fail...', 'ok fail ...', ['ok', 'fail', '...']])
def test_script_that_goes_on_keeps_its_last_step(script):
    assert kinds_of(script, 4) == ['ok', 'fail', 'fail', 'fail']


@pytest.mark.parametrize(
    ('text', 'first'),
    [
        ('0.1', Step('ok', 0.1)),
        ('2', Step('ok', 2.0)),
        ('0.1 fail hang ok*10', Step('ok', 0.1)),
        ('stuck:2', Step('stuck', 2.0)),
        ('stuck:0.5*3...', Step('stuck', 0.5)),
        ('fail...', Step('fail')),
        ('[oom, ok]', Step('oom')),
    ],
)
def test_script_survives_the_yaml_of_a_parameter(text, first):
    assert Script(yaml.safe_load(text)).take() == (1, first)


@pytest.mark.parametrize(
    'step',
    'faill FAIL ok:2 stuck stuck: stuck:x stuck:-1 -1 nan inf 86401 True ok* ok*0 ok*-1 *3 ok*x '
    'ok*1000001 ok*²'.split(),
)
def test_step_that_cannot_be_understood_is_named_with_the_ones_there_are(step):
    with pytest.raises(InputError) as caught:
        FakeBackend(script=f'ok {step} fail')
    message = str(caught.value)
    assert repr(step) in message
    assert 'ok, empty, fail, oom, crash, hang, a number of seconds or stuck:SECONDS' in message
    assert '\n' not in message


@pytest.mark.parametrize('script', ['', '  ', '...', [], True])
def test_script_without_a_step_is_refused(script):
    with pytest.raises(InputError, match='a step is one of ok'):
        FakeBackend(script=script)


def test_threads_share_the_steps_without_losing_one():
    script = Script('ok*999 fail')
    taken = [[] for _ in range(4)]

    def take(steps):
        steps += [script.take() for _ in range(1000)]

    threads = [threading.Thread(target=take, args=(steps,)) for steps in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(number for steps in taken for number, _ in steps)
    assert numbers == list(range(1, 4001))
    fails = sorted(number for steps in taken for number, step in steps if step.kind == 'fail')
    assert fails == [1000, 2000, 3000, 4000]


def test_steps_are_used_up_over_all_tasks():
    fake = FakeBackend(script='ok*4 fail')
    fake.detect(IMAGE, CAT)
    fake.ground(IMAGE, 'a cat')
    fake.caption(IMAGE)
    fake.answer(IMAGE, 'is there a cat?')
    with pytest.raises(ModelError, match='failed on purpose at call 5'):
        fake.detect_batch([IMAGE], [CAT])
    assert fake.calls == 5


def test_text_that_is_refused_uses_no_step_up():
    fake = FakeBackend(script='fail')
    for refused in (fake.answer, fake.ground):
        with pytest.raises(QuestionError):
            refused(IMAGE, ' ')
    assert fake.calls == 0


def test_call_that_its_ticket_ends_has_used_its_step_up():
    fake = FakeBackend(script='hang ok fail')
    with pytest.raises(DeadlineExceeded):
        fake.detect(IMAGE, CAT, ticket=Ticket(0.05))
    with pytest.raises(DeadlineExceeded):
        fake.detect(IMAGE, CAT, ticket=Ticket(0))
    with pytest.raises(ModelError, match='call 3'):
        fake.detect(IMAGE, CAT)


def test_hanging_call_ends_by_its_ticket():
    ticket = Ticket()
    timer = threading.Timer(0.1, ticket.cancel)
    timer.start()
    with pytest.raises(WorkCancelled):
        FakeBackend(script='hang').caption(IMAGE, ticket=ticket)
    timer.join()


@pytest.mark.parametrize('cancels', [True, False])
def test_stuck_call_ignores_its_ticket_and_answers(cancels):
    ticket = Ticket(0.05)
    timer = threading.Timer(0.01, ticket.cancel if cancels else lambda: None)
    timer.start()
    caption = FakeBackend(script='stuck:0.2').caption(IMAGE, ticket=ticket)
    timer.join()
    assert caption.text
    with pytest.raises((WorkCancelled, DeadlineExceeded)):
        ticket.check()


def test_fails_as_models_and_third_parties_do():
    fake = FakeBackend(script='fail oom crash')
    with pytest.raises(ModelError, match='failed on purpose at call 1') as failed:
        fake.caption(IMAGE)
    assert not isinstance(failed.value, OutOfMemory)
    with pytest.raises(OutOfMemory, match='call 2'):
        fake.caption(IMAGE)
    with pytest.raises(RuntimeError, match='crashed on purpose at call 3'):
        fake.caption(IMAGE)


def test_empty_looks_and_finds_nothing():
    fake = FakeBackend(script='empty*4 ok')
    found = fake.detect(IMAGE, Vocabulary(('cat', 'unknown thing')))
    assert (found.labels, found.unrecognized) == ((), ('unknown thing',))
    assert [g.detections for g in fake.ground(IMAGE, 'a cat').groundings] == [()]
    assert fake.answer(IMAGE, 'is the cat asleep?').status is Status.NOT_IN_VIEW
    assert fake.detect(IMAGE, CAT).status is Status.NOTHING_FOUND
    assert fake.detect(IMAGE, CAT).status is Status.OK


def test_a_batch_finds_what_single_calls_find_in_the_step_of_one():
    fake = FakeBackend(max_batch=3)
    images = [IMAGE, np.zeros((30, 40, 3), np.uint8), IMAGE]
    vocabularies = [CAT, Vocabulary(('dog', 'cat')), Vocabulary(('absent cup',))]
    batch = fake.detect_batch(images, vocabularies)
    assert fake.calls == 1
    singles = [fake.detect(*pair) for pair in zip(images, vocabularies, strict=True)]
    assert repr(batch) == repr(singles)


def test_a_batch_above_the_memory_is_refused_and_half_of_it_does():
    fake = FakeBackend(max_batch=4, oom_above=2)
    with pytest.raises(OutOfMemory, match='memory for 2 images, not for 4'):
        fake.detect_batch([IMAGE] * 4, [CAT] * 4)
    assert len(fake.detect_batch([IMAGE] * 2, [CAT] * 2)) == 2


def test_a_batch_that_breaks_the_rules_is_refused():
    fake = FakeBackend(max_batch=2)
    with pytest.raises(InputError, match='3 images in a batch; at most 2'):
        fake.detect_batch([IMAGE] * 3, [CAT] * 3)
    with pytest.raises(InputError, match='2 images but 1 vocabularies'):
        fake.detect_batch([IMAGE] * 2, [CAT])
    assert fake.calls == 0


def test_a_batch_ends_by_its_ticket():
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(WorkCancelled):
        FakeBackend(max_batch=2).detect_batch([IMAGE] * 2, [CAT] * 2, ticket=ticket)


def test_satisfies_batches_and_counts_memory_releases():
    fake = FakeBackend()
    assert isinstance(fake, BatchDetector)
    assert isinstance(fake, ReleasesMemory)
    fake.release_memory()
    fake.release_memory()
    assert fake.memory_releases == 2


def test_memory_is_held_from_load_to_close():
    # A process of its own: in this one freed memory of other tests may be there to be taken again.
    program = f"""
import psutil
from vlm_ros.backends.fake import FakeBackend
rss = lambda: psutil.Process().memory_info().rss
before = rss()
fake = FakeBackend(memory_mb={MEMORY_MB})
held = rss()
fake.close()
print(held - before, held - rss())
"""
    ended = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    taken_bytes, returned_bytes = map(int, ended.stdout.split())
    assert taken_bytes > 0.9e6 * MEMORY_MB
    assert returned_bytes > 0.9e6 * MEMORY_MB


@pytest.mark.usefixtures('_fresh_failures')
def test_first_loads_fail_then_it_loads():
    for count in (1, 2):
        with pytest.raises(BackendError, match=f'failed to load on purpose, {count} of 2'):
            backends.load('fake', load_fails=2)
    assert backends.load('fake', load_fails=2).model_id == 'fake'
    assert backends.load('fake', load_fails=2).model_id == 'fake'


@pytest.mark.usefixtures('_fresh_failures')
def test_load_failures_are_counted_for_each_model_and_can_be_forgotten():
    for model in ('left', 'right'):
        with pytest.raises(BackendError):
            FakeBackend(model=model, load_fails=1)
        FakeBackend(model=model, load_fails=1)
    loading.forget_failures()
    with pytest.raises(BackendError):
        FakeBackend(model='left', load_fails=1)


def test_loading_takes_its_time(monkeypatch):
    slept = []
    monkeypatch.setattr(loading.time, 'sleep', slept.append)
    FakeBackend(load_s=30)
    assert slept == [30]


def test_loading_that_hangs_ends_with_the_process_only():
    code = """
import threading
from vlm_ros.backends.fake import FakeBackend
load = threading.Thread(target=lambda: FakeBackend(load_hangs=True), daemon=True)
load.start()
load.join(0.3)
assert load.is_alive()
print('loading')
"""
    run = subprocess.run(
        [sys.executable, '-c', code], check=True, timeout=60, capture_output=True, text=True
    )
    assert run.stdout == 'loading\n'


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('latency_s', -1),
        ('latency_s', float('nan')),
        ('latency_s', 'slow'),
        ('load_s', True),
        ('load_s', 1e9),
        ('memory_mb', float('inf')),
        ('load_fails', 1.5),
        ('load_fails', -1),
        ('load_hangs', 'maybe'),
        ('max_batch', 0),
        ('oom_above', None),
    ],
)
def test_unusable_options_are_named(name, value):
    with pytest.raises(InputError, match=f'^{name} must be'):
        FakeBackend(**{name: value})
