"""A user's own functions in the seat of a model."""

import itertools
from pathlib import Path
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from vlm_ros import backends
from vlm_ros.backends.callable import open_callable
from vlm_ros.backends.callable.found import ARGUMENTS
from vlm_ros.errors import (
    BackendError,
    DeadlineExceeded,
    InputError,
    MissingDependencyError,
    ModelError,
    OutOfMemory,
    QuestionError,
    WorkCancelled,
)
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, Status, Truth
from vlm_ros.tasks import Captioner, Detector, Model, QuestionAnswerer, TASKS, tasks_of, Ticket

PAGE = (Path(__file__).parents[2] / 'docs/families/bring_your_own.md').read_text('utf-8')
IMAGE = np.zeros((40, 60, 3), np.uint8)
_numbers = itertools.count()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported, under a name of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    before = set(sys.modules)

    def write(source):
        name = f'callable_under_test_{next(_numbers)}'
        (tmp_path / f'{name}.py').write_text(textwrap.dedent(source))
        return name

    yield write
    for name in set(sys.modules) - before:
        if name.startswith('callable_under_test_'):
            del sys.modules[name]


@pytest.fixture
def saying(module):
    """Make a backend whose one task returns a value, written as Python."""

    def make(task, value):
        name = module(f"""
            import numpy as np

            def {task}({', '.join(ARGUMENTS[task])}):
                return {value}
        """)
        return backends.load('callable', model=f'{name}:{task}')

    return make


def test_a_function_named_after_its_task(module):
    name = module("""
        def caption(image, prompt):
            return f'{image.shape[1]} wide: {prompt}'
    """)
    model = backends.load('callable', model=f'{name}:caption')
    assert tasks_of(model) == ('caption',)
    assert isinstance(model, Model)
    assert isinstance(model, Captioner)
    assert not isinstance(model, Detector)
    assert model.caption(IMAGE, prompt='short').text == '60 wide: short'
    assert model.model_id == f'callable:{name}:caption'
    assert re.fullmatch('[0-9a-f]{12}', model.model_revision)
    model.close()
    model.close()


def test_a_function_with_another_name(module):
    name = module("""
        def look(image, question):
            return 'yes'
    """)
    model = backends.load('callable', model=f'{name}:look', task='answer')
    assert tasks_of(model) == ('answer',)
    assert model.answer(IMAGE, 'is it dark?').text == 'yes'


def test_a_module_of_functions_without_those_it_imported(module):
    name = module("""
        from re import match

        def detect(image, names):
            return []

        def answer(image, question):
            return 'no'
    """)
    model = backends.load('callable', model=name)
    assert tasks_of(model) == ('detect', 'answer')
    assert model.detect(IMAGE, Vocabulary(('cat',))).status is Status.NOTHING_FOUND


def test_an_exit_of_the_users_code_ends_no_process(module):
    name = module('import sys\n\ndef caption(image): sys.exit("out of licences")')
    source = 'class Mine:\n    def __init__(self): raise SystemExit(3)'
    with pytest.raises(ModelError, match='caption failed: out of licences'):
        open_callable(model=name).caption(IMAGE)
    with pytest.raises(BackendError, match='cannot be imported: 3'):
        open_callable(model=module('raise SystemExit(3)'))
    with pytest.raises(BackendError, match='cannot be made: 3'):
        open_callable(model=f'{module(source)}:Mine')


def test_an_error_while_closing_is_one_of_ours(module):
    source = """
        class Mine:
            def caption(self, image): return 'a cup'
            def close(self): raise ValueError('no\\nluck')
    """
    with pytest.raises(ModelError, match=r'Mine\.close failed: no luck'):
        open_callable(model=f'{module(source)}:Mine').close()


def test_a_coroutine_is_refused(module):
    with pytest.raises(BackendError, match=r':caption is async, .* give a plain function'):
        open_callable(model=module('async def caption(image): pass'))


def test_a_class_gets_the_device_and_is_closed(module):
    name = module("""
        closed = []

        class Inner:
            model_revision = 'v7'

            def __init__(self, device):
                self.device = f'{device}:1'

            def caption(self, image):
                return ('a picture', 0.25)

            def close(self):
                closed.append(self.device)

        class Outer:
            Mine = Inner
    """)
    model = backends.load('callable', device='cuda', model=f'{name}:Outer.Mine')
    assert (model.device, model.model_revision) == ('cuda:1', 'v7')
    assert (model.caption(IMAGE).text, model.caption(IMAGE).score) == ('a picture', 0.25)
    model.close()
    model.close()
    assert sys.modules[name].closed == ['cuda:1']


def test_an_object_gets_what_it_takes(module):
    name = module("""
        class Model:
            def __init__(self):
                self.seen = []

            def detect(self, image, names, *, score_threshold=None, ticket=None):
                self.seen.append((names, score_threshold, ticket))
                return []

            def answer(self, image, question, **more):
                self.seen.append(more)
                return 'B'

        model = Model()
    """)
    model = backends.load('callable', model=f'{name}:model')
    assert isinstance(model, Detector)
    assert isinstance(model, QuestionAnswerer)
    ticket = Ticket()
    model.detect(IMAGE, Vocabulary(('cat', 'dog')), score_threshold=0.5, ticket=ticket)
    answered = model.answer(IMAGE, 'a or b?', choices=('a', 'b'), ticket=ticket)
    assert answered.text == 'b'
    seen = sys.modules[name].model.seen
    assert seen[0] == (['cat', 'dog'], 0.5, ticket)
    assert seen[1] == {'choices': ('a', 'b'), 'ticket': ticket}


def test_detections_are_clipped_mapped_and_thresholded(saying):
    model = saying(
        'detect', "[('Cats', 0.9, (-5, 2, 30, 99)), ['dog', np.float32(0.2), [1, 2, 3, 4]]]"
    )
    found = model.detect(IMAGE, Vocabulary(('cat', 'dog')))
    assert found.labels == ('cat', 'dog')
    np.testing.assert_array_equal(found.xyxy, [[0, 2, 30, 40], [1, 2, 3, 4]])
    np.testing.assert_array_almost_equal(found.scores, [0.9, 0.2])
    assert model.detect(IMAGE, Vocabulary(('cat', 'dog')), score_threshold=0.5).labels == ('cat',)


def test_phrases_keep_their_place_and_those_that_are_absent(saying):
    model = saying('ground', "[('red cup', 0.4, (1, 2, 3, 4)), ('Red cup', 0.8, (5, 6, 7, 8))]")
    grounded = model.ground(IMAGE, 'A red cup beside a laptop.')
    assert [grounding.phrase for grounding in grounded.groundings] == ['red cup', 'laptop']
    assert [grounding.detections for grounding in grounded.groundings] == [(1, 0), ()]
    assert grounded.groundings[0].scores == pytest.approx((0.8, 0.4))
    strict = model.ground(IMAGE, 'A red cup beside a laptop.', score_threshold=0.5)
    assert [grounding.detections for grounding in strict.groundings] == [(0,), ()]


def test_answers(saying):
    assert saying('answer', "('on the table', 0.5)").answer(IMAGE, 'where?').confidence == 0.5
    assert saying('answer', "'two'").answer(IMAGE, 'how many?').confidence == 0
    unsure = saying('answer', 'None').answer(IMAGE, 'where?')
    assert (unsure.status, unsure.message) == (Status.UNSURE, 'the model cannot tell')
    other = saying('answer', "'maybe'").answer(IMAGE, 'is it?', choices=('yes', 'no'))
    assert other.status is Status.UNSURE
    assert "'maybe'" in other.message


def test_several_images(saying):
    images = [IMAGE, IMAGE]
    assert saying('caption_frames', 'str(len(images))').caption_frames(images).text == '2'
    assert saying('answer_frames', "('no', 1)").answer_frames(images, 'moving?').confidence == 1
    sure = saying('verify', '(np.bool_(len(images) == 2), 0.75)').verify(images, 'both are dark')
    assert (sure.truth, sure.confidence) == (Truth.TRUE, 0.75)
    assert saying('verify', 'False').verify(images, 'one is red').truth is Truth.FALSE
    assert saying('verify', 'None').verify(images, 'one is red').status is Status.UNSURE


def test_scores(saying):
    np.testing.assert_array_almost_equal(
        saying('match', '[0.1, 1]').match(IMAGE, ['a', 'b']), [0.1, 1]
    )
    names = Vocabulary(('cat', 'dog'))
    shared = saying('classify', '[0.25, 0.75]').classify(IMAGE, names)
    assert (shared.label, shared.exclusive) == ('dog', True)
    single = saying('classify', "{'dog': 0.2, 'cat': 0.9}").classify(IMAGE, names)
    assert (single.label, single.exclusive) == ('cat', False)


def test_vectors_are_scaled_to_length_1(saying):
    images = saying('encode_images', '[[3, 4]] * len(images)').encode_images([IMAGE, IMAGE])
    np.testing.assert_array_almost_equal(images, [[0.6, 0.8], [0.6, 0.8]])
    texts = saying('encode_texts', 'np.eye(3)[: len(texts)]').encode_texts(['a', 'b'])
    np.testing.assert_array_equal(texts, np.eye(3)[:2])


def test_regions(saying):
    boxes = np.array([[0, 0, 5, 5], [1, 1, 9, 9], [2, 2, 4, 4]], np.float32)
    like = saying('match_regions', '[[box[2] / 10, -1] for box in boxes]')
    np.testing.assert_array_almost_equal(
        like.match_regions(IMAGE, boxes, ['cup', 'mug']), [[0.5, -1], [0.9, -1], [0.4, -1]]
    )
    assert saying('match_regions', '[]').match_regions(IMAGE, boxes[:0], ['cup']).shape == (0, 1)
    found = saying('detect_like', '[(names[1], 0.5, (1, 2, 3, 4))]').detect_like(
        IMAGE, [IMAGE, IMAGE], ['bolt', 'nut']
    )
    assert found.labels == ('nut',)


def test_masks(saying):
    boxes = Detections(np.array([[1, 2, 6, 8]], np.float32), np.ones(1, np.float32), ('cup',))
    cut = saying('segment', '[(np.ones(image.shape[:2]), 0.5)]').segment(IMAGE, boxes)
    assert (cut.masks.shape, cut.masks.all()) == ((1, 40, 60), True)
    assert (cut.detections.labels, cut.detections.scores[0]) == (('cup',), 0.5)
    corner = '(np.indices(image.shape[:2]) < 3).all(0)'
    found = saying(
        'segment_phrases', f"[('cup', 0.3, {corner}), ('cup', 0.6, np.ones((40, 60), int))]"
    ).segment_phrases(IMAGE, Vocabulary(('cup',)))
    np.testing.assert_array_equal(found.detections.xyxy, [[0, 0, 60, 40], [0, 0, 3, 3]])
    assert [int(mask.sum()) for mask in found.masks] == [2400, 9]


VOCABULARY = Vocabulary(('cat',))
REQUESTS = {
    'detect': lambda model: model.detect(IMAGE, VOCABULARY),
    'ground': lambda model: model.ground(IMAGE, 'a cat'),
    'caption': lambda model: model.caption(IMAGE),
    'answer': lambda model: model.answer(IMAGE, 'where is it?'),
    'verify': lambda model: model.verify([IMAGE], 'it is dark'),
    'match': lambda model: model.match(IMAGE, ['a', 'b']),
    'classify': lambda model: model.classify(IMAGE, VOCABULARY),
    'encode_images': lambda model: model.encode_images([IMAGE]),
    'match_regions': lambda model: model.match_regions(IMAGE, np.zeros((1, 4)), ['a']),
    'segment': lambda model: model.segment(
        IMAGE, Detections(np.zeros((1, 4)), np.ones(1), ('cat',))
    ),
    'segment_phrases': lambda model: model.segment_phrases(IMAGE, VOCABULARY),
}


@pytest.mark.parametrize(
    ('task', 'value', 'reason'),
    [
        ('detect', 'None', 'expected a list, got NoneType None'),
        ('detect', "'cat'", "expected a list, got str 'cat'"),
        ('detect', "[('cat', 0.5)]", 'item 0 must have three parts'),
        ('detect', "[('cow', 0.5, (1, 2, 3, 4))]", "item 0 names 'cow', which was not asked for"),
        ('detect', "[('', 0.5, (1, 2, 3, 4))]", "item 0 names '', which was not asked for"),
        ('detect', "[('cat', 1.5, (1, 2, 3, 4))]", 'a score must be in [0, 1], got 1.5'),
        ('detect', "[('cat', float('nan'), (1, 2, 3, 4))]", 'a score must be in [0, 1], got nan'),
        ('detect', "[('cat', '0.5', (1, 2, 3, 4))]", 'a score must be a number'),
        ('detect', "[('cat', 0.5, (1, 2, 3))]", 'the box of item 0 must be four numbers'),
        ('detect', "[('cat', 0.5, (9, 2, 3, 4))]", 'must be (left, top, right, bottom)'),
        ('detect', "[('cat', 0.5, (0, 0, float('inf'), 1))]", 'a number is not finite'),
        ('detect', "[('cat', 0.5, (0.1, 0.2, 0.5, 1))]", 'fractions of the image'),
        ('ground', "[('dog', 0.5, (1, 2, 3, 4))]", "names 'dog', which is no part of the text"),
        ('caption', '7', 'expected a text, got int 7'),
        ('caption', "' '", 'the text is empty'),
        ('caption', "('a', 0.5, 1)", 'expected a value or (value, score), got 3 values'),
        ('answer', "('yes', 2)", 'a score must be in [0, 1], got 2'),
        ('verify', "'yes'", 'expected True, False or None'),
        ('match', '[0.5]', '1 scores for 2 texts'),
        ('match', '0.5', 'expected a list, got float 0.5'),
        ('classify', '{}', "there is no score for 'cat'"),
        ('encode_images', '[[0, 0]]', 'vector 0 is all zeros'),
        ('encode_images', '[1, 2]', 'expected 1 vectors of one length, got shape (2,)'),
        ('match_regions', '[[2]]', 'similarities must be in [-1, 1], got 2'),
        ('match_regions', '[[1, 1]]', 'expected a row a box and a number a word'),
        ('segment', '[]', '0 masks for 1 boxes'),
        ('segment', '[np.ones((3, 3))]', 'the mask of item 0 must be (40, 60), got (3, 3)'),
        ('segment_phrases', "[('cat', 1, np.zeros((40, 60)))]", 'the mask of item 0 is empty'),
    ],
)
def test_values_of_another_form_are_refused_in_one_line(saying, task, value, reason):
    model = saying(task, value)
    with pytest.raises(ModelError) as caught:
        REQUESTS[task](model)
    message = str(caught.value)
    assert reason in message
    assert f':{task} returned what cannot be used: ' in message
    assert '\n' not in message


def test_failures_of_the_function(module):
    name = module("""
        from vlm_ros.errors import OutOfMemory

        def caption(image, prompt):
            raise RuntimeError('the weights\\nare gone')

        def answer(image, question):
            raise OutOfMemory('8 GB are not enough')
    """)
    model = backends.load('callable', model=name)
    with pytest.raises(ModelError, match=f'^{name}:caption failed: the weights are gone$'):
        model.caption(IMAGE)
    with pytest.raises(OutOfMemory, match='8 GB'):
        model.answer(IMAGE, 'where?')


def test_deadlines_and_cancels(module):
    name = module("""
        def caption(image, prompt, ticket):
            for _ in range(1000):
                ticket.sleep(0.01)
            return 'too late'

        def answer(image, question):
            global ticket
            ticket.cancel()
            return 'too late'
    """)
    model = backends.load('callable', model=name)
    with pytest.raises(DeadlineExceeded):
        model.caption(IMAGE, ticket=Ticket(0.05))
    sys.modules[name].ticket = ticket = Ticket()
    with pytest.raises(WorkCancelled):
        model.answer(IMAGE, 'where?', ticket=ticket)
    with pytest.raises(WorkCancelled):
        model.answer(IMAGE, 'where?', ticket=ticket)


def test_bad_requests_do_not_reach_the_function(module):
    functions = '\n\n'.join(
        f'def {task}({", ".join(arguments)}):\n    raise AssertionError'
        for task, arguments in ARGUMENTS.items()
    )
    model = open_callable(model=module(functions))
    assert tasks_of(model) == tuple(TASKS)
    with pytest.raises(QuestionError):
        model.ground(IMAGE, ' ')
    with pytest.raises(QuestionError):
        model.answer(IMAGE, '')
    with pytest.raises(QuestionError):
        model.match(IMAGE, [])
    with pytest.raises(InputError):
        model.verify([], 'it is dark')
    with pytest.raises(InputError, match='2 exemplars but 1 names'):
        model.detect_like(IMAGE, [IMAGE, IMAGE], ['bolt'])


@pytest.mark.parametrize(
    ('model', 'reason'),
    [
        ('', 'set model to my_package.my_module:my_function'),
        ('my_package/my_module', 'set model to my_package.my_module:my_function'),
        ('no_such_module_anywhere:answer', "there is no module 'no_such_module_anywhere'"),
        ('{}:anser', "has no 'anser'; did you mean 'answer'?"),
        ('{}:helper', 'does no task; name its functions after what they do'),
        ('{}:number', 'does no task'),
        ('{}:detect', "takes (image); the task 'detect' calls it with (image, names)"),
        ('{}:Broken', 'cannot be made: no weights here'),
    ],
)
def test_what_cannot_be_called_is_refused_in_one_line(module, model, reason):
    name = module("""
        number = 7

        def answer(image, question): return 'yes'
        def helper(image): return 'yes'
        def detect(image): return []

        class Broken:
            def __init__(self):
                raise OSError('no weights\\nhere')
    """)
    with pytest.raises(BackendError) as caught:
        backends.load('callable', model=model.format(name))
    assert reason in str(caught.value)
    assert '\n' not in str(caught.value)


def test_modules_that_do_not_import(module):
    with pytest.raises(BackendError, match='cannot be imported: division by zero'):
        backends.load('callable', model=f'{module("1 / 0")}:answer')
    with pytest.raises(MissingDependencyError, match='no_such_library'):
        backends.load('callable', model=f'{module("import no_such_library")}:answer')
    with pytest.raises(BackendError, match="no task 'look'"):
        backends.load('callable', model=f'{module("")}:answer', task='look')


def test_it_imports_no_model_library():
    code = (
        'import sys; import vlm_ros.backends.callable;'
        'heavy = {"torch", "transformers", "openvino", "tokenizers"} & set(sys.modules);'
        'assert not heavy, heavy'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=60)


def test_the_page_has_every_task_with_its_arguments():
    rows = re.findall(r'^\| `(\w+)\(([\w, ]+)\)` \|', PAGE, re.MULTILINE)
    assert {task: tuple(arguments.split(', ')) for task, arguments in rows} == ARGUMENTS


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, photos):
    source = re.search(r'```python\n# my_model\.py\n(.*?)```', PAGE, re.DOTALL).group(1)
    (tmp_path / 'my_model.py').write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    try:
        model = backends.load('callable', model='my_model:Lights')
        assert tasks_of(model) == ('detect', 'answer')
        night = np.zeros((50, 80, 3), np.uint8)
        night[10:20, 30:45] = 250
        found = model.detect(night, Vocabulary(('light', 'door')))
        assert found.labels == ('light',)
        np.testing.assert_array_equal(found.xyxy, [[30, 10, 45, 20]])
        assert model.answer(night, 'Is it dark?').text == 'yes'
        assert model.answer(photos['coffee'], 'Is it dark?').text == 'no'
        assert model.answer(night, 'Who is it?').status is Status.UNSURE
        with pytest.raises(DeadlineExceeded):
            model.detect(night, Vocabulary(('light',)), ticket=Ticket(0))
    finally:
        sys.modules.pop('my_model', None)
