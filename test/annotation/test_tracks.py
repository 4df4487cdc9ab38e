"""`annotation.tracks`: things keep their numbers, each camera for itself."""

import pytest

from vlm_ros.annotation.tracks import MAX_HELD, tracked
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord
from vlm_ros.results import Status

PERIOD_S = 0.1


def box(label, left):
    return DetectionRecord(label=label, score=0.9, xyxy=(left, 100, left + 80, 160))


def frame(index, detections, topic='/front', time_s=None):
    return FrameRecord(
        key=f'a-{index}',
        source='drive',
        topic=topic,
        index=index,
        time_s=index * PERIOD_S if time_s is None else time_s,
        image=ImageRecord(width=640, height=480),
        detections=tuple(detections),
    )


def numbers(records):
    return [{row.label: row.track_id for row in record.detections} for record in records]


def test_things_that_pass_each_other_keep_their_numbers():
    records = [frame(i, [box('car', 20 * i), box('bus', 400 - 20 * i)]) for i in range(20)]
    ids = numbers(tracked(records))
    assert all(row == ids[0] for row in ids)
    assert set(ids[0].values()) == {1, 2}


def test_the_first_boxes_have_the_numbers_of_what_follows():
    # Two things that come close, a third that is seen once, and a fourth that comes later.
    rows = [
        frame(i, [box('car', 100 + 5 * i), box('car', 150 + 5 * i), *extra])
        for i, extra in enumerate([[box('car', 500)], [], [box('bus', 30)], [box('bus', 32)], []])
    ]
    found = list(tracked(iter(rows)))
    assert [record.key for record in found] == [record.key for record in rows]
    assert [[row.track_id for row in record.detections] for record in found] == [
        [1, 2, None],
        [1, 2],
        [1, 2, 3],
        [1, 2, 3],
        [1, 2],
    ]
    # One that is not seen in the second image keeps its beginning, too.
    rows = [frame(i, [box('car', 100)] if i != 1 else []) for i in range(4)]
    ids = numbers(tracked(rows))
    assert ids == [{'car': 1}, {}, {'car': 1}, {'car': 1}]


@pytest.mark.parametrize('period_s', [0.1, 2.0, 20.0])
def test_a_thing_may_be_missed_in_an_image_however_far_they_are_apart(period_s):
    rows = [frame(i, [box('car', 100)] if i != 3 else [], time_s=i * period_s) for i in range(6)]
    assert numbers(tracked(rows)) == [{'car': 1} if i != 3 else {} for i in range(6)]


def test_two_images_close_to_each_other_do_not_shorten_what_a_thing_may_be_missed():
    times = [0.0, 2.0, 2.001, 4.0, 6.0, 10.0, 12.0]
    rows = [frame(i, [box('car', 100)], time_s=time_s) for i, time_s in enumerate(times)]
    assert numbers(tracked(rows)) == [{'car': 1}] * 7


def test_what_could_not_be_looked_at_does_not_end_a_track():
    def frames(failed):
        for i in range(30):
            row = frame(i, [] if i in failed else [box('car', 100)])
            yield row.model_copy(update={'status': Status.FAILED}) if i in failed else row

    assert numbers(tracked(frames(range(5, 14))))[-1] == {'car': 1}
    found = list(tracked(frames(range(5, 14))))
    assert [record.index for record in found] == list(range(30))


def test_two_images_of_one_time_are_no_two_times(recwarn):
    rows = [frame(i, [box('car', 100)], time_s=0.1 * (i // 2)) for i in range(6)]
    rows.append(frame(6, [box('car', 100)], time_s=0.0))
    ids = numbers(tracked(rows))
    assert ids == [{'car': 1}, {'car': None}] * 3 + [{'car': None}]
    assert not len(recwarn)


def test_a_camera_that_ends_early_does_not_hold_the_others_for_ever():
    taken = []

    def frames():
        for i in range(3 * MAX_HELD):
            taken.append(i)
            yield frame(i, [box('car', 300)], '/rear' if i == 0 else '/front')

    records = tracked(frames())
    assert next(records).topic == '/rear'
    assert len(taken) == MAX_HELD + 1
    assert sum(1 for _ in records) == 3 * MAX_HELD - 1


def test_a_hidden_thing_is_found_again_and_a_long_gone_one_is_new():
    def passing(hidden):
        seen = [i for i in range(12 + hidden) if not 6 <= i < 6 + hidden]
        rows = [frame(i, [box('car', 6 * i)] if i in seen else []) for i in range(12 + hidden)]
        return {row['car'] for row in numbers(tracked(rows)) if row} - {None}

    assert passing(3) == {1}
    assert passing(20) == {1, 2}


def test_cameras_do_not_share_things():
    rows = [frame(i, [box('car', 300)], topic) for i in range(4) for topic in ('/front', '/rear')]
    mixed = list(tracked(rows))
    for topic in ('/front', '/rear'):
        alone = list(tracked(row for row in rows if row.topic == topic))
        assert alone == [row for row in mixed if row.topic == topic]
    assert mixed[-1].detections[0].track_id == mixed[-2].detections[0].track_id == 1


def test_photographs_are_not_tracked():
    photographs = [
        frame(i, [box('car', 300)]).model_copy(update={'time_s': None}) for i in range(3)
    ]
    assert list(tracked(photographs)) == photographs
