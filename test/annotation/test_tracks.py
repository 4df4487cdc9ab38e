"""`annotation.tracks`: things keep their numbers, each camera for itself."""

from vlm_ros.annotation.tracks import tracked
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord

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
    assert ids[0] == {'car': None, 'bus': None}
    assert all(row == ids[1] for row in ids[1:])
    assert set(ids[1].values()) == {1, 2}


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
