"""`vlm-ros detect`, `ground`, `caption` and `ask`, in process, on real photographs."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from vlm_ros import backends
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.cli.main import main
from vlm_ros.errors import ModelError
from vlm_ros.phrases import Vocabulary

FAKE = ['--backend', 'fake']


def write(path, image):
    assert cv2.imwrite(str(path), image[..., ::-1])
    return str(path)


@pytest.fixture
def photo(tmp_path):
    return write(tmp_path / 'cat.png', data.chelsea())


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'walk.avi'
    codec = cv2.VideoWriter_fourcc(*'MJPG')
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 10.0, (320, 240))
    for left in range(20):
        writer.write(np.ascontiguousarray(data.astronaut()[:240, left : left + 320, ::-1]))
    writer.release()
    return str(path)


def run(capsys, *args):
    """Return the status, stdout's lines (parsed where `--json` is given), and stderr."""
    status = main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    lines = out.splitlines()
    return status, [json.loads(line) for line in lines] if '--json' in args else lines, err


# What is printed


def test_detect_json(capsys, photo):
    status, (line,), err = run(
        capsys, 'detect', photo, *FAKE, '--vocabulary', 'Cat,  red ball', '--json'
    )
    assert (status, err) == (0, '')
    detections = line.pop('detections')
    assert line.pop('inference_time_s') >= 0
    assert line == {
        'source': photo,
        'frame': 0,
        'time_s': None,
        'resolution_wh': [451, 300],
        'status': 'OK',
        'message': '',
        'unrecognized': [],
        'model_id': 'fake',
        'model_revision': '1',
        'vocabulary_id': Vocabulary.parse('Cat, red ball').vocabulary_id,
    }
    assert [(box['label'], box['score']) for box in detections] == [
        ('Cat', 0.9),
        ('red ball', 0.9),
    ]
    for left, top, right, bottom in (box['xyxy'] for box in detections):
        assert 0 <= left < right <= 451
        assert 0 <= top < bottom <= 300


def test_detect_for_people(capsys, photo):
    status, lines, _ = run(capsys, 'detect', photo, *FAKE, '--vocabulary', 'cat, unknown thing')
    assert status == 0
    assert lines[0].startswith(f'{photo} (451x300, ')
    assert lines[0].endswith(': 1 found (this model cannot say whether there is: unknown thing)')
    assert lines[1].split()[:2] == ['0.90', 'cat']
    assert len(lines) == 2


@pytest.mark.parametrize(
    ('option', 'status', 'reason'),
    [
        ('device=gpu', 3, "the device 'gpu' is unknown"),
        ('model=3', 3, 'the model must be a text'),
        ('name=3', 3, "the backend 'fake' has no option 'name'"),
        ('latency_s=2026-01-01', 3, "'latency_s' of 'fake' must be a number"),
        ('latency_s=[', 2, 'needs quotation marks'),
    ],
)
@pytest.mark.parametrize('verb', ['detect', 'benchmark'])
def test_options_of_odd_names_and_kinds(capsys, photo, verb, option, status, reason):
    args = ['fake'] if verb == 'benchmark' else [photo, '--vocabulary', 'x', '--backend', 'fake']
    found, lines, err = run(capsys, verb, *args, '--option', option)
    assert (found, lines) == (status, [])
    assert reason in err
    assert err.count('\n') == 1


@pytest.mark.parametrize(
    ('vocabulary', 'name', 'words'),
    [
        ('absent dog', 'NOTHING_FOUND', 'nothing found'),
        (
            'absent, unknown x',
            'UNSURE',
            'unsure (this model cannot say whether there is: unknown x)',
        ),
    ],
)
def test_detect_nothing(capsys, photo, vocabulary, name, words):
    args = ['detect', photo, *FAKE, '--vocabulary', vocabulary]
    status, (line,), _ = run(capsys, *args, '--json')
    assert (status, line['status'], line['detections']) == (1, name, [])
    status, (line,), _ = run(capsys, *args)
    assert status == 1
    assert f': {words}' in line


def test_detect_above_a_threshold(capsys, photo):
    args = ['detect', photo, *FAKE, '--vocabulary', 'cat', '--score-threshold']
    assert run(capsys, *args, '0.9')[0] == 0
    assert run(capsys, *args, '0.95')[0] == 1


def test_ground(capsys, photo):
    text = 'a grey cat on an absent sofa'
    status, (line,), _ = run(capsys, 'ground', photo, *FAKE, '--text', text, '--json')
    assert (status, line['status'], line['text']) == (0, 'OK', text)
    groundings = {grounding['phrase']: grounding for grounding in line['groundings']}
    assert line['groundings'], 'the text has phrases'
    for phrase, grounding in groundings.items():
        start, end = grounding['span']
        assert text[start:end] == phrase
        assert len(grounding['scores']) == len(grounding['detections'])
        assert all(0 <= index < len(line['detections']) for index in grounding['detections'])


def test_ground_says_which_phrase_is_not_there(capsys, photo, monkeypatch):
    monkeypatch.setattr(
        backends, 'load', lambda *_, **__: FakeBackend(scene={'cat': [(0.1, 0.1, 0.9, 0.9)]})
    )
    args = ['ground', photo, '--text', 'a cat and a dog']
    status, (line,), _ = run(capsys, *args, '--json')
    assert (status, line['message']) == (0, 'not found: dog')
    assert [grounding['detections'] for grounding in line['groundings']] == [[0], []]
    assert run(capsys, 'ground', photo, '--text', 'a dog')[0] == 1


def test_caption(capsys, photo):
    status, (line,), _ = run(capsys, 'caption', photo, *FAKE, '--json')
    assert (status, line['caption'], line['score']) == (0, 'a 451 by 300 picture', 0.9)
    status, (line,), _ = run(capsys, 'caption', photo, *FAKE, '--prompt', 'briefly')
    assert line.endswith(': a 451 by 300 picture')


def test_ask(capsys, photo, monkeypatch):
    monkeypatch.setattr(
        backends, 'load', lambda *_, **__: FakeBackend(scene={'cat': [(0.1, 0.2, 0.9, 0.8)]})
    )
    args = ['ask', photo, '--json', '--question']
    status, (line,), _ = run(capsys, *args, 'is there a cat?')
    assert (status, line['status'], line['answer']) == (0, 'OK', 'yes')
    assert 0 < line['confidence'] <= 1
    assert [box['label'] for box in line['detections']] == ['cat']
    status, (line,), _ = run(capsys, *args, 'what colour is the car?')
    assert (status, line['status'], line['answer']) == (1, 'NOT_IN_VIEW', '')
    assert 'car' in line['message']
    status, lines, _ = run(capsys, 'ask', photo, '--question', 'what colour is the car?')
    assert ': what colour is the car? (not in view: ' in lines[0]
    status, (line,), _ = run(capsys, *args, 'why?')
    assert (status, line['status']) == (1, 'UNSURE')
    status, (line,), _ = run(capsys, *args, 'why?', '--no-require-evidence')
    assert (status, line['answer']) == (0, 'fake: why?')
    status, (line,), _ = run(
        capsys, *args, 'is the cat asleep?', '--choices', 'black, grey,, orange '
    )
    assert (status, line['answer']) in [(0, colour) for colour in ('black', 'grey', 'orange')]


# Sources


def test_frames_of_a_video(capsys, video):
    args = ['detect', video, *FAKE, '--vocabulary', 'person', '--json']
    status, lines, err = run(capsys, *args, '--every', 6)
    assert (status, [line['frame'] for line in lines]) == (0, [0, 6, 12, 18])
    assert [line['time_s'] for line in lines] == pytest.approx([0, 0.6, 1.2, 1.8])
    assert err == 'vlm-ros: 4 images, 4 with a result\n'
    _, lines, err = run(capsys, *args, '--every', 6, '--limit', 2, '--quiet')
    assert ([line['frame'] for line in lines], err) == ([0, 6], '')
    _, lines, _ = run(capsys, *(arg for arg in args if arg != '--json'), '--limit', 2)
    assert lines[2].startswith(f'{video} #1 at 0.10 s (320x240, ')


def test_several_sources_and_samples(capsys, photo, video):
    status, lines, _ = run(
        capsys, 'caption', photo, 'sample:', video, *FAKE, '--limit', 2, '--json'
    )
    assert status == 0
    assert [line['source'] for line in lines] == [
        photo,
        'sample:astronaut',
        'sample:chelsea',
        video,
        video,
    ]


def test_what_cannot_be_read_is_reported_and_the_rest_worked_on(capsys, tmp_path, photo):
    whole = Path(photo).read_bytes()
    (tmp_path / 'broken.png').write_bytes(whole[: len(whole) // 2])
    args = ['caption', tmp_path, *FAKE]
    status, lines, err = run(capsys, *args, '--json')
    assert status == 2
    assert [(line['source'], line['status']) for line in lines] == [
        (str(tmp_path / 'broken.png'), 'FAILED'),
        (photo, 'OK'),
    ]
    assert 'broken.png cannot be read: the picture cannot be decoded' in lines[0]['message']
    assert 'detections' not in lines[0]
    assert err.splitlines()[0] == f'vlm-ros: error: {lines[0]["message"]}'
    assert len(err.splitlines()) == 1
    status, lines, err = run(capsys, *args)
    assert (status, len(lines)) == (2, 1)


def test_a_video_that_breaks_off_and_a_source_behind_it(capsys, video, photo):
    content = Path(video).read_bytes()
    Path(video).write_bytes(content[: len(content) // 2])
    status, lines, err = run(capsys, 'caption', video, photo, *FAKE, '--json')
    assert status == 2
    assert lines[-2]['status'] == 'FAILED'
    assert 'breaks off after' in lines[-2]['message']
    assert lines[-1]['source'] == photo
    assert all(line['status'] == 'OK' for line in lines[:-2])
    assert len(lines) > 5
    assert 'not readable' in err


def test_nothing_is_worked_on_when_a_source_is_not_there(capsys, photo):
    status, lines, err = run(capsys, 'caption', photo, 'missing.jpg', *FAKE)
    assert (status, lines) == (2, [])
    assert err == (
        'vlm-ros: error: there is no file or folder missing.jpg; a source can also be a camera '
        '(0), an address (rtsp://...) or sample:\n'
    )


# Pictures


def decoded(folder):
    """Return the pictures of a folder by name; fails on any that is not whole."""
    pictures = {path.name: cv2.imread(str(path)) for path in Path(folder).iterdir()}
    assert all(picture is not None for picture in pictures.values())
    return pictures


def test_save(capsys, tmp_path, video):
    (tmp_path / 'a').mkdir()
    photos = [
        write(tmp_path / 'a' / 'cat.png', data.chelsea()),
        write(tmp_path / 'a' / 'cat.jpg', data.coffee()),
        write(tmp_path / 'cat.jpg', data.rocket()),
    ]
    folder = tmp_path / 'out' / 'annotated'
    args = ['detect', *photos, video, 'sample:chelsea', *FAKE, '--vocabulary', 'cat']
    args += ['--every', 15, '--save', folder, '--json']
    status, lines, err = run(capsys, *args)
    assert status == 0
    pictures = decoded(folder)
    names = ['cat', 'cat-2', 'cat-3', 'walk-000000', 'walk-000015', 'sample-chelsea']
    assert [line['saved'] for line in lines] == [f'{folder}/{name}.detect.jpg' for name in names]
    assert set(pictures) == {f'{name}.detect.jpg' for name in names}
    assert pictures['cat.detect.jpg'].shape == data.chelsea().shape
    assert pictures['walk-000015.detect.jpg'].shape == (240, 320, 3)
    assert f'6 saved in {folder}' in err
    difference = np.abs(pictures['cat.detect.jpg'][..., ::-1].astype(int) - data.chelsea())
    assert 1 < difference.mean() < 30
    # A second run overwrites nothing.
    run(capsys, *args)
    assert len(decoded(folder)) == 12


def test_saving_beside_the_sources_leaves_them(capsys, photo):
    before = Path(photo).read_bytes()
    run(capsys, 'caption', photo, *FAKE, '--save', Path(photo).parent)
    assert Path(photo).read_bytes() == before
    assert sorted(path.name for path in Path(photo).parent.iterdir()) == [
        'cat.caption.jpg',
        'cat.png',
    ]


@pytest.mark.parametrize('name', ['кот ' + 'я' * 110, '猫' * 80, '.hidden', 'a  b#c', '...'])
def test_save_under_any_name(capsys, tmp_path, name):
    photo = write(tmp_path / 'x.png', data.chelsea())
    photo = Path(photo).rename(tmp_path / f'{name}.png')
    assert run(capsys, 'caption', photo, *FAKE, '--save', tmp_path / 'out')[0] == 0
    (path,) = (tmp_path / 'out').iterdir()
    assert not path.name.startswith('.')


def test_a_folder_that_cannot_be_written(capsys, photo):
    status, lines, err = run(capsys, 'caption', photo, *FAKE, '--save', photo)
    assert (status, lines) == (2, [])
    assert err == f'vlm-ros: error: {photo}: File exists\n'


def test_a_picture_is_written_whole_or_not_at_all(capsys, tmp_path, photo, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.replace', full)
    status, _, err = run(capsys, 'caption', photo, *FAKE, '--save', tmp_path / 'out')
    assert (status, err) == (2, 'vlm-ros: error: No space left on device\n')
    assert list((tmp_path / 'out').iterdir()) == []


# What goes wrong


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['detect', 'sample:', *FAKE, '--vocabulary', ' '], 'the vocabulary is empty'),
        (['detect', 'sample:', *FAKE, '--vocabulary', 'a,A'], "the vocabulary names 'A' twice"),
        (['ground', 'sample:', *FAKE, '--text', ' '], 'the text is empty'),
        (['ask', 'sample:', *FAKE, '--question', '\n'], 'the question is empty'),
        (['ask', 'sample:', *FAKE, '--question', 'x' * 100_000], 'question'),
        (['caption', 'sample:nobody', *FAKE], "there is no sample 'nobody'"),
        (['caption', '', *FAKE], 'the source is empty'),
    ],
)
def test_unusable_input(capsys, args, message):
    status, lines, err = run(capsys, *args)
    assert (status, lines) == (2, [])
    assert err.startswith('vlm-ros: error: ')
    assert message in err
    assert err.count('\n') == 1
    assert len(err) < 500


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--backend', 'fakee'], "there is no backend 'fakee'; did you mean 'fake'?"),
        ([*FAKE, '--device', 'cuda'], 'fake runs on cpu only'),
        ([*FAKE, '--device', 'tpu'], "the device 'tpu' is unknown; use auto, cpu, cuda"),
    ],
)
def test_a_backend_that_cannot_be_had(capsys, args, message):
    status, lines, err = run(capsys, 'caption', 'sample:chelsea', *args)
    assert (status, lines) == (3, [])
    assert err.startswith(f'vlm-ros: error: {message}')
    assert err.count('\n') == 1


def test_a_backend_that_cannot_do_the_task(capsys, monkeypatch):
    class Captioner:
        closed = False
        model_id, model_revision, device = 'captioner', '1', 'cpu'

        def caption(self, image, *, prompt='', ticket=None):
            raise AssertionError

        def close(self):
            self.closed = True

    model = Captioner()
    monkeypatch.setattr(backends, 'load', lambda *_, **__: model)
    status, _, err = run(
        capsys, 'detect', 'sample:chelsea', '--backend', 'mine', '--vocabulary', 'a'
    )
    assert (status, model.closed) == (3, True)
    assert err == "vlm-ros: error: the backend 'mine' cannot detect; it can caption\n"


def test_a_model_that_fails(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(backends, 'load', lambda *_, **__: FakeBackend(script='ok ok fail'))
    status, lines, err = run(
        capsys, 'detect', 'sample:', '--vocabulary', 'a', '--json', '--save', tmp_path
    )
    assert (status, len(lines), len(decoded(tmp_path))) == (3, 2, 2)
    assert err == 'vlm-ros: error: the fake backend failed on purpose at call 3\n'


def test_the_model_is_closed_whatever_happens(capsys, monkeypatch):
    closed = []
    monkeypatch.setattr(FakeBackend, 'close', lambda self: closed.append(self.model_id))
    run(capsys, 'caption', 'sample:chelsea', *FAKE)

    def fail(*_, **__):
        raise ModelError('out of memory')

    monkeypatch.setattr(FakeBackend, 'caption', fail)
    assert run(capsys, 'caption', 'sample:chelsea', *FAKE)[0] == 3
    assert len(closed) == 2


def test_an_interrupt_tells_what_is_done(capsys, tmp_path, monkeypatch):
    caption, calls = FakeBackend.caption, []

    def interrupted(self, image, **kwargs):
        calls.append(image)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return caption(self, image, **kwargs)

    monkeypatch.setattr(FakeBackend, 'caption', interrupted)
    status, lines, err = run(capsys, 'caption', 'sample:', *FAKE, '--json', '--save', tmp_path)
    assert (status, len(lines), len(decoded(tmp_path))) == (130, 2, 2)
    assert err == (
        f'vlm-ros: interrupted after 2 images, 2 with a result; 2 saved in {tmp_path}\n'
    )


# The real model


@pytest.fixture(scope='module')
def loaded():
    (info,) = [info for info in backends.describe() if info.name == 'embedded']
    if not info.ready:
        pytest.skip(
            'the embedded backend lacks '
            + ', '.join(info.missing_libraries + info.missing_weights)
            + '; run vlm-ros fetch embedded'
        )
    model = backends.load('embedded')
    yield model
    model.close()


@pytest.fixture
def embedded(loaded, monkeypatch):
    """Loaded once for the tests below, as that takes many times as long as looking."""
    monkeypatch.setattr(backends, 'load', lambda *_, **__: loaded)
    monkeypatch.setattr(loaded, 'close', lambda: None)


@pytest.mark.usefixtures('embedded')
def test_embedded_finds_a_cat_and_no_helicopter(capsys):
    args = ['detect', 'sample:chelsea', '--json', '--vocabulary']
    status, (line,), _ = run(capsys, *args, 'cat, helicopter')
    assert status == 0
    assert {box['label'] for box in line['detections']} == {'cat'}
    assert line['model_id'].startswith('embedded')
    assert run(capsys, *args, 'helicopter')[0] == 1


@pytest.mark.usefixtures('embedded')
def test_embedded_grounds_describes_and_answers(capsys):
    args = ['sample:chelsea', '--json']
    status, (line,), _ = run(capsys, 'ground', *args, '--text', 'a cat')
    assert (status, [box['label'] for box in line['detections']]) == (0, ['cat'])
    status, (line,), _ = run(capsys, 'caption', *args)
    assert (status, bool(line['caption'])) == (0, True)
    status, (line,), _ = run(capsys, 'ask', *args, '--question', 'is there a cat?')
    assert (status, line['answer']) == (0, 'yes')
    status, (line,), _ = run(capsys, 'ask', *args, '--question', 'what colour is the zebra?')
    assert (status, line['status']) == (1, 'NOT_IN_VIEW')
