"""Tracks from KITTI's layout, held to TrackEval's own reading of it."""

import json

import cv2
from evaluated_photographs import evaluate, numbers, written
import numpy as np
import pytest
from skimage import data
from trackeval import metrics
from trackeval.datasets import Kitti2DBox

from vlm_ros.cli.main import main
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord
from vlm_ros.results import Status

FRAMES = {'0000': 30, '0001': 20}
SIZE = (600, 400)
FILL = '-1 -1 -1 -1000 -1000 -1000 -10'


def row(frame, track, kind, box, truncated=0, occluded=0, score=None):
    edges = ' '.join(f'{edge:.2f}' for edge in box)
    line = f'{frame} {track} {kind} {truncated} {occluded} -10 {edges} {FILL}'
    return line if score is None else f'{line} {score:.4f}'


def drive(seed, frames):
    """Cars and people that move, some hidden, cut off or in a region; and what was tracked."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for frame in range(frames):
        for track in range(6):
            kind = 'Car' if track < 4 else 'Pedestrian'
            left, top = 20 + 90 * track + 1.5 * frame, 40 + 45 * track
            box = np.array([left, top, left + 60, top + (20 if track == 3 else 50)])
            hidden = 3 if track == 1 and frame % 5 == 0 else 0
            cut = 1 if track == 2 and frame % 7 == 0 else 0
            if rng.random() < 0.9:
                named = 'Van' if track == 0 else kind
                truth.append(row(frame, track, named, np.minimum(box, 399), cut, hidden))
            if rng.random() < 0.85:
                moved = np.clip(box + rng.normal(0, 4, 4), 0, 399)
                number = 10 + track + (20 if frame > frames // 2 and track % 2 else 0)
                found.append((frame, number, kind, moved))
        truth.append(row(frame, -1, 'DontCare', [0, 300, 120, 399], -1, -1))
        found.append((frame, 50 + frame % 2, 'Car', [10, 310, 70, 380]))  # in the region
        found.append((frame, 60, 'Car', [200, 5, 260, 25]))  # low
        found.append((frame, 70 + frame % 3, 'Car', [300, 300, 360, 380]))  # on nothing
    return truth, found


@pytest.fixture
def kitti(tmp_path):
    """The folder, and what was tracked in each sequence."""
    picture = cv2.imencode('.png', np.ascontiguousarray(data.coffee()[..., ::-1]))[1].tobytes()
    tracked = {}
    (tmp_path / 'training' / 'label_02').mkdir(parents=True)
    for seed, (name, frames) in enumerate(FRAMES.items()):
        folder = tmp_path / 'training' / 'image_02' / name
        folder.mkdir(parents=True)
        for frame in range(frames):
            (folder / f'{frame:06d}.png').write_bytes(picture)
        truth, tracked[name] = drive(seed, frames)
        (tmp_path / 'training' / 'label_02' / f'{name}.txt').write_text('\n'.join(truth) + '\n')
    return tmp_path / 'training', tracked


def records_of(tracked, *, as_video=False, tracks=True):
    records = []
    for name, rows in tracked.items():
        for frame in range(FRAMES[name]):
            boxes = tuple(
                DetectionRecord(
                    label=kind,
                    score=0.9,
                    xyxy=tuple(map(float, box)),
                    track_id=number if tracks else None,
                )
                for place, number, kind, box in rows
                if place == frame
            )
            file = f'{name}.mp4' if as_video else f'image_02/{name}/{frame:06d}.png'
            records.append(
                FrameRecord(
                    key=f'{name}-{frame:06d}',
                    source=file,
                    index=frame,
                    time_s=frame / 10 if as_video else None,
                    image=ImageRecord(width=SIZE[0], height=SIZE[1]),
                    status=Status.OK,
                    detections=boxes,
                )
            )
    return records


def by_trackeval(folder, tracked, tmp_path):
    target = tmp_path / 'trackers' / 'own' / 'data'
    target.mkdir(parents=True)
    sequences = []
    for name, rows in tracked.items():
        # As records keep them, to a hundredth of a pixel.
        lines = [row(f, number, kind, box, score=0.9) for f, number, kind, box in rows]
        (target / f'{name}.txt').write_text('\n'.join(lines) + '\n')
        sequences.append(f'{name} empty 000000 {FRAMES[name]:06d}')
    (folder / 'evaluate_tracking.seqmap.training').write_text('\n'.join(sequences) + '\n')
    dataset = Kitti2DBox(
        {
            'GT_FOLDER': str(folder),
            'TRACKERS_FOLDER': str(tmp_path / 'trackers'),
            'PRINT_CONFIG': False,
        }
    )
    quiet, found = {'PRINT_CONFIG': False}, {}
    for kind in ('car', 'pedestrian'):
        parts = {
            name: dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data('own', name), kind)
            for name in FRAMES
        }
        own = {}
        for metric in (metrics.HOTA(), metrics.CLEAR(quiet), metrics.Identity(quiet)):
            results = {name: metric.eval_sequence(part) for name, part in parts.items()}
            own |= metric.combine_sequences(results)
        found[kind.title()] = {
            'hota': own['HOTA'].mean(),
            'det_a': own['DetA'].mean(),
            'ass_a': own['AssA'].mean(),
            'idf1': own['IDF1'],
            'mota': own['MOTA'],
            'identity_switches': own['IDSW'],
            'fragments': own['Frag'],
        }
    return found


def test_tracks_are_scored_as_the_benchmark_does(capsys, tmp_path, kitti):
    folder, tracked = kitti
    expected = by_trackeval(folder, tracked, tmp_path)
    for name, as_video in (('frames', False), ('videos', True)):
        run = written(tmp_path / name, records_of(tracked, as_video=as_video))
        found = numbers(capsys, run, '--truth', folder)
        assert found['layout'] == 'kitti_tracking'
        for kind, own in expected.items():
            got = {key: found['tracks'][kind][key] for key in own}
            assert got == pytest.approx(own, abs=1e-6), kind
            assert found['tracks'][kind]['sequences'] == 2
    assert 0.2 < expected['Car']['hota'] < 0.9  # vans are neither right nor wrong
    assert expected['Car']['identity_switches'] > 0
    one = numbers(capsys, run, '--truth', folder, '--split', '0001')
    assert one['tracks']['Car']['sequences'] == 1 and one['images'] == 20


def test_boxes_without_tracks_are_followed(capsys, tmp_path, kitti):
    folder, tracked = kitti
    run = written(tmp_path / 'run', records_of(tracked, tracks=False))
    status, out, err = evaluate(capsys, run, '--truth', folder)
    assert (status, 'HOTA' in out) == (0, False)
    assert 'the truth has tracks and the predictions have none; --track follows them' in err
    assert 'images of a drive are much alike' in err
    args = [run, '--truth', folder, '--track', '--report', folder.parent / 'report']
    status, out, _ = evaluate(capsys, *args)
    assert (status, 'HOTA' in out) == (0, True)
    page = (folder.parent / 'report' / 'index.html').read_text()
    assert '<h2>Tracks</h2>' in page and '<th scope="col">AssA</th>' in page
    model = ['--backend', 'fake', '--option', 'scene="Car 0.1 0.1 0.3 0.3"', '--track']
    found = numbers(capsys, *model, '--truth', folder, '--threshold', '0.5')
    assert found['tracks']['Car']['coverage']['answered'] == 50


def test_a_track_twice_in_a_frame_costs_the_tracks_alone(capsys, tmp_path, kitti):
    folder, tracked = kitti
    rows = tracked['0000']
    rows.append((3, rows[0][1], 'Car', [400, 40, 460, 90]))
    rows.append((3, rows[0][1], 'Car', [500, 40, 560, 90]))
    run = written(tmp_path / 'run', records_of(tracked))
    status, out, err = evaluate(capsys, run, '--truth', folder, '--json')
    found = json.loads(out)
    assert (status, found['tracks']) == (0, {})
    assert found['overall']['ap']['value'] > 0
    assert 'tracks are not scored: the predictions of 0000/000003.png have Car 10 twice' in err


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda root: (root / 'label_02' / '0001.txt').write_text('1 2 Car\n'), 'has 3 columns'),
        (
            lambda root: (root / 'label_02' / '0001.txt').write_text(
                row(99, 1, 'Car', [1, 1, 50, 50]) + '\n'
            ),
            'has frame 99, of which there is no picture',
        ),
        (lambda root: (root / 'image_02' / '0001').rename(root / 'away'), '0001 is missing'),
    ],
)
def test_damaged_sequences_are_one_line(capsys, tmp_path, kitti, change, words):
    folder, tracked = kitti
    change(folder)
    run = written(tmp_path / 'run', records_of(tracked))
    status, out, err = evaluate(capsys, run, '--truth', folder)
    assert (status, out, err.count('\n')) == (2, '', 1)
    assert words in err
    status, _, err = evaluate(capsys, run, '--truth', folder.parent)
    assert (status, f'name {folder}' in err) == (2, True)


def test_photographs_have_no_sequences(capsys, tmp_path, truth):
    status = main(['evaluate', '--backend', 'fake', '--truth', str(truth), '--track', '-q'])
    assert (status, '--track needs a truth with sequences' in capsys.readouterr().err) == (2, True)
