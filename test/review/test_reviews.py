"""What people said: kept line by line, and put into a dataset's records."""

from concurrent.futures import ThreadPoolExecutor
import itertools

import pytest

from vlm_ros.data.formats import write_coco
from vlm_ros.data.formats.annotated_bag import write_annotated_bag
from vlm_ros.errors import InputError, StorageError
from vlm_ros.records import FrameRecord, read_lines, ReviewRecord, Verdict, write_lines
from vlm_ros.records.reviews import append_reviews, kept_reviews, latest
from vlm_ros.review import apply_reviews, read_reviews, ReviewLine, write_page

CAT = {'key': 'drive-000000', 'box': 0, 'found': 'cat', 'xyxy': (80.25, 60, 320.5, 300)}
CUP = {'key': 'drive-000001', 'box': 0, 'found': 'rocket'}


def said(where, verdict='accepted', minute=0, **fields):
    at = f'2026-11-23T10:{minute:02d}:00Z'
    return ReviewLine.model_validate({**where, 'verdict': verdict, 'at': at, **fields})


def records(folder):
    return list(read_lines(folder / 'annotations.jsonl', FrameRecord))


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob('*.json*')}


def test_reviews_go_into_the_records_once(folder, tmp_path):
    before = records(folder)
    lines = [
        said(CAT),
        said(CUP, label='coffee cup', minute=1, by='ada'),
        said({'key': 'drive-000002'}, 'rejected'),
    ]
    given = tmp_path / 'reviews.jsonl'
    write_lines(given, lines)
    applied = apply_reviews(folder, given)
    assert (applied.reviewed, applied.changed) == (3, 3)
    assert (applied.unknown, applied.new_labels) == ((), ())
    after = records(folder)
    assert after[0].detections[0].review == ReviewRecord(
        verdict=Verdict.ACCEPTED, at='2026-11-23T10:00:00Z'
    )
    assert after[1].detections[0].review == ReviewRecord(
        verdict=Verdict.ACCEPTED, label='coffee cup', at='2026-11-23T10:01:00Z', by='ada'
    )
    assert after[2].review.verdict is Verdict.REJECTED
    # Nothing else has changed.
    none = {'review': None}
    bare = [
        row.model_copy(
            update={**none, 'detections': tuple(b.model_copy(update=none) for b in row.detections)}
        )
        for row in after
    ]
    assert bare == before
    content = files(folder)
    again = apply_reviews(folder, given)
    assert (again.reviewed, again.changed) == (3, 0)
    assert files(folder) == content
    # `annotate` has written the records anew.
    write_lines(folder / 'annotations.jsonl', before)
    assert apply_reviews(folder).changed == 3
    assert files(folder) == content


def test_the_latest_holds_whatever_comes_first(folder, tmp_path):
    lines = [
        said(CAT, 'rejected', 1),
        said(CAT, 'accepted', 3),
        said(CAT, None, 4),
        said(CUP, 'accepted', 2, label='coffee cup'),
        said(CUP, 'rejected', 1),
    ]
    results = set()
    for number, order in enumerate(itertools.permutations(lines)):
        assert latest(order) == {lines[0].target: lines[2], lines[3].target: lines[3]}
        if number % 40:
            continue
        for index, line in enumerate(order):
            write_lines(tmp_path / f'{index}.jsonl', [line])
            apply_reviews(folder, tmp_path / f'{index}.jsonl')
        results.add((folder / 'annotations.jsonl').read_bytes())
    assert len(results) == 1
    assert records(folder)[0].detections[0].review is None
    assert records(folder)[1].detections[0].review.label == 'coffee cup'


def test_a_verdict_in_the_record_yields_to_a_later_one_only(folder, tmp_path):
    rows = records(folder)
    review = ReviewRecord(verdict=Verdict.REJECTED, at='2026-11-23T12:30:00+02:00')
    boxes = (rows[1].detections[0].model_copy(update={'review': review}),)
    rows[1] = rows[1].model_copy(update={'detections': boxes})
    write_lines(folder / 'annotations.jsonl', rows)
    append_reviews(folder, [said(CUP, minute=29)])
    assert apply_reviews(folder).changed == 0
    append_reviews(folder, [said(CUP, minute=31)])
    assert apply_reviews(folder).changed == 1
    assert records(folder)[1].detections[0].review.verdict is Verdict.ACCEPTED


def test_reviews_of_what_is_not_there_are_listed_and_kept(folder, tmp_path):
    lines = [
        said({'key': 'elsewhere-000000'}),
        said({**CAT, 'box': 9}),
        said({**CAT, 'box': 1}),
        said({**CAT, 'xyxy': (0, 0, 1, 1)}),
        said(CUP, label='mug'),
    ]
    given = tmp_path / 'reviews.jsonl'
    write_lines(given, lines)
    applied = apply_reviews(folder, given)
    assert {row.name: row.reason for row in applied.unknown} == {
        'elsewhere-000000': 'the dataset has no such image',
        'box 9 of drive-000000': 'the image has 2 boxes',
        'box 1 of drive-000000': 'the box was a cat, and is a person now',
        'box 0 of drive-000000': (
            'the box was at [0.0, 0.0, 1.0, 1.0], and is at [80.25, 60.0, 320.5, 300.0] now'
        ),
    }
    assert (applied.reviewed, applied.new_labels) == (1, ('mug',))
    assert kept_reviews(folder) == lines
    assert records(folder)[0].detections[0].review is None


def test_a_damaged_line_changes_nothing(folder, tmp_path):
    append_reviews(folder, [said(CAT)])
    content = files(folder)
    given = tmp_path / 'given.jsonl'
    for damaged, why in (
        ('{"key": "a", "verdict": "perhaps"}', 'verdict: Input should be'),
        ('{"key": "a", "at": "yesterday"}', 'at: Value error'),
        ('{"key": "a", "color": "red"}', 'color: Extra inputs'),
        ('{"key": "../a"}', 'key: String should match pattern'),
        ('{"key": "a", "label": "a\\u001b[2J"}', 'label: Value error, .* cannot be a name'),
        ('nonsense', 'Invalid JSON'),
    ):
        given.write_text(said(CUP).line() + '\n' + damaged + '\n')
        with pytest.raises(InputError, match=f'line 2 of .*given.jsonl is not a .*{why}'):
            apply_reviews(folder, given)
        assert files(folder) == content
    with pytest.raises(StorageError, match='cannot be read'):
        apply_reviews(folder, tmp_path / 'missing.jsonl')
    with pytest.raises(InputError, match='holds no dataset; make one'):
        apply_reviews(tmp_path)
    (folder / 'annotations.jsonl').unlink()
    with pytest.raises(InputError, match='is not finished'):
        apply_reviews(folder)


def test_a_line_that_was_cut_off_is_replaced_and_a_whole_one_without_end_is_not(folder):
    path = folder / 'reviews.jsonl'
    append_reviews(folder, [said(CAT)])
    whole = path.read_bytes()
    path.write_bytes(whole + said(CUP).line().encode()[:30])
    assert kept_reviews(folder) == [said(CAT)]
    append_reviews(folder, [said(CUP)])
    assert read_reviews(path) == [said(CAT), said(CUP)]
    # As an editor may leave it.
    path.write_bytes(path.read_bytes().rstrip(b'\n'))
    append_reviews(folder, [said(CAT, minute=5)])
    assert read_reviews(path) == [said(CAT), said(CUP), said(CAT, minute=5)]


def test_a_file_that_is_given_is_read_whole_or_not_at_all(folder, tmp_path):
    before = files(folder)
    given = tmp_path / 'given.jsonl'
    for content, words in (
        (b'garbage', r'line 1 of .*given\.jsonl .*; mend or remove the line'),
        (said(CAT).line().encode() + b'\n' + said(CUP).line().encode()[:30], 'line 2 of'),
        (said(CAT).line().encode().replace(b'"box":0', b'"box":true'), 'box: .*integer'),
        (said({'key': 'other-000000'}).line().encode(), 'is it of another dataset'),
    ):
        given.write_bytes(content)
        with pytest.raises(InputError, match=words) as caught:
            apply_reviews(folder, given)
        assert '\n' not in str(caught.value)
        assert files(folder) == before
    # As programs of Windows write it.
    given.write_bytes(b'\xef\xbb\xbf' + said(CAT).line().encode() + b'\r\n')
    assert apply_reviews(folder, given).reviewed == 1


def test_a_damaged_dataset_is_one_line_with_a_fix(folder):
    for name, words in (
        ('dataset.json', r'dataset\.json is not .*; restore the file, or update vlm_ros'),
        ('annotations.jsonl', r'line 6 of .*; run vlm-ros annotate on .* once more'),
    ):
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[:-20])
        for read in (apply_reviews, write_page):
            with pytest.raises(InputError, match=words) as caught:
                read(folder)
            assert '\n' not in str(caught.value)
        assert path.read_bytes() == content[:-20]
        path.write_bytes(content)


def test_names_of_what_is_not_kept_are_no_new_names(folder):
    lines = [
        said(CUP, 'rejected', label='sheep'),
        said({'key': 'drive-000002'}, label='cow'),
        said(CAT, label='tomcat'),
    ]
    append_reviews(folder, lines)
    assert apply_reviews(folder).new_labels == ('tomcat',)


def test_a_folder_that_was_moved_does_not_begin_anew(folder):
    folder.rename(folder.with_name('moved'))
    with pytest.raises(StorageError, match='is not there any more; put it back'):
        append_reviews(folder, [said(CAT)])
    assert not folder.exists()


def test_several_who_write_at_once_lose_nothing(folder, tmp_path):
    lines = [
        said({'key': f'drive-{index % 6:06d}'}, minute=index % 60, by=str(index))
        for index in range(60)
    ]
    given = tmp_path / 'given.jsonl'
    write_lines(given, [said(CAT)])

    def work(index):
        if index % 10 == 5:
            apply_reviews(folder, given)
        append_reviews(folder, [lines[index]])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    kept = kept_reviews(folder)
    assert sorted(kept, key=lambda line: (line.by != '', line.by)) == [
        said(CAT),
        *sorted(lines, key=lambda line: line.by),
    ]


def test_exports_leave_out_what_was_rejected(folder, tmp_path):
    append_reviews(
        folder,
        [
            said({'key': 'drive-000000', 'box': 1}, 'rejected'),
            said(CUP, label='coffee cup'),
            said({'key': 'drive-000005'}, 'rejected'),
        ],
    )
    apply_reviews(folder)
    rows = records(folder)
    vocabulary = ('cat', 'coffee cup', 'person', 'rocket')
    coco = write_coco(rows, vocabulary, tmp_path / 'coco', images=folder)
    assert (coco.images, coco.boxes, coco.rejected) == (4, 3, 1)
    bag = write_annotated_bag(rows, tmp_path / 'drive.mcap', images=folder)
    assert (bag.images, bag.boxes, bag.rejected) == (5, 3, 1)
    assert [row.name for row in bag.left_out] == ['drive-000005']
