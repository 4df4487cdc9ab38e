"""From the simulator to a bag, to annotations, to numbers: against truth nobody wrote by hand."""

import numpy as np
import oracle
import pytest
from recording import COMPRESSED, in_weather, RAW, shots_of, truth_of, write_bag
from world import LABELS, needs_drawing

from vlm_ros.annotation.loading import load_annotator
from vlm_ros.annotation.plan import AnnotationPlan, BackendPlan
from vlm_ros.annotation.run import annotate
from vlm_ros.annotation.work import Alone
from vlm_ros.data.truths.box_truth import BoxTruth
from vlm_ros.data.truths.predictions import of_records
from vlm_ros.evaluation.naming import name
from vlm_ros.evaluation.pairing import pair
from vlm_ros.evaluation.summary import summarize
from vlm_ros.evaluation.tracking import track, TrackedFrame
from vlm_ros.records import FrameRecord, read_lines

pytestmark = needs_drawing
FRAMES = 8


@pytest.fixture(scope='module')
def shots():
    return shots_of(3, FRAMES)


@pytest.fixture(scope='module')
def drive(shots, tmp_path_factory):
    """The bag, its stamps, and the oracle told."""
    path = tmp_path_factory.mktemp('drive') / 'bag'
    stamps = write_bag(path, [shot.image for shot in shots])
    for shot in shots:
        oracle.learn(shot.image, shot.boxes())
    return str(path), stamps


def annotated(sources, folder, model, *, backend='callable', topics=(), names=LABELS, **more):
    plan = AnnotationPlan(
        sources=sources,
        topics=topics,
        vocabulary=names,
        backend=BackendPlan(name=backend, model=model),
        **more,
    )
    crew = Alone(plan, load_annotator(plan))
    manifest = annotate(plan, folder, crew=crew)
    crew.close()
    return manifest, list(read_lines(folder / 'annotations.jsonl', FrameRecord))


def scored(manifest, records, truth):
    found = of_records(records, truth.images, 'records', manifest)
    paired = pair(BoxTruth(truth), found, name(found.labels, truth.labels))
    return summarize(paired.images, paired.labels, resamples=20)


def test_an_oracle_is_perfect_and_one_that_looks_beside_finds_nothing(shots, drive, tmp_path):
    bag, stamps = drive
    manifest, records = annotated((bag,), tmp_path / 'right', 'oracle:detect')
    assert {record.topic for record in records} == {RAW, COMPRESSED}
    assert len(records) == 2 * FRAMES and not manifest.skipped
    truth = truth_of(records, stamps, shots)
    perfect = scored(manifest, records, truth)
    assert (perfect.score.overall.ap, perfect.operating.overall.f1) == (1, 1)
    assert perfect.score.coverage.answered == 2 * FRAMES
    manifest, records = annotated((bag,), tmp_path / 'beside', 'oracle:Shifted')
    beside = scored(manifest, records, truth)
    assert beside.score.overall.ap50 == 0
    assert beside.operating.overall.precision == 0


def test_raw_and_compressed_pictures_give_the_same(drive, tmp_path):
    _, records = annotated(drive[:1], tmp_path / 'out', 'oracle:detect')
    by_topic = {
        topic: [row.detections for row in records if row.topic == topic]
        for topic in (RAW, COMPRESSED)
    }
    assert by_topic[RAW] == by_topic[COMPRESSED]
    assert any(by_topic[RAW])


def test_things_keep_their_numbers_as_in_the_simulator(shots, drive, tmp_path):
    bag, stamps = drive
    _, records = annotated((bag,), tmp_path / 'out', 'oracle:detect', topics=(RAW,), track=True)
    truth = truth_of(records, stamps, shots)
    for label in ('cube', 'ball', 'cat'):
        frames = []
        for record, image in zip(records, truth.images, strict=True):
            true = [box for box in image.boxes if box.label == label]
            found = [row for row in record.detections if row.label == label and row.track_id]
            frames.append(
                TrackedFrame(
                    [box.track_id for box in true],
                    [box.xyxy for box in true],
                    [row.track_id for row in found],
                    [row.xyxy for row in found],
                )
            )
        score = track([frames])
        assert score.identity_switches == 0
        assert score.false_positives == 0
        assert score.idf1 > 0.8


def test_the_embedded_model_finds_the_cat_until_the_weather_turns(shots, drive, tmp_path):
    bag, stamps = drive
    wet = str(tmp_path / 'wet')
    write_bag(tmp_path / 'wet', [in_weather(shot, i) for i, shot in enumerate(shots)])
    manifest, records = annotated(
        (bag, wet), tmp_path / 'out', '', backend='embedded', topics=(RAW,), names=LABELS[-3:]
    )
    numbers, worse = (
        scored(manifest, part, truth_of(part, stamps, shots))
        for part in ([row for row in records if row.source == drive] for drive in (bag, wet))
    )
    assert numbers.score.coverage.answered == worse.score.coverage.answered == FRAMES
    assert 0 < numbers.score.of_label['cat'].ap50 <= 1
    assert np.isfinite(worse.score.overall.ap50)
    assert worse.score.overall.ap50 < numbers.score.overall.ap50
