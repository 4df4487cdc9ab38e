"""The page as a file: what is in it, in which order, and that it asks nobody for anything."""

import base64
import hashlib
from html.parser import HTMLParser
import json
import re

import cv2
import numpy as np
import pytest
from review_dataset import box, HOSTILE, make_dataset, record, RECORDS, WORST_FIRST
import skimage.data

from vlm_ros.cli.main import main
from vlm_ros.data.formats.datasets import export_dataset
from vlm_ros.errors import InputError
from vlm_ros.records import ImageRecord, read_lines, write_lines
from vlm_ros.records.frames import FrameRecord
from vlm_ros.records.reviews import append_reviews
from vlm_ros.review import ReviewLine, write_page
from vlm_ros.review.ordering import compare


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.texts = {}
        self._open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._open = tag, dict(attrs).get('id')

    def handle_data(self, data):
        self.texts[self._open] = self.texts.get(self._open, '') + data

    def handle_endtag(self, tag):
        self._open = None


def data_of(path):
    return json.loads(Elements(path.read_text()).texts['script', 'data'])


def picture_of(path, number):
    """Return the address of the picture of an image, in the page's order."""
    data = data_of(path)
    return data['pictures'][data['frames'][number]['picture']]


def test_the_page_holds_all_it_needs_and_runs_nothing_else(folder):
    page = write_page(folder)
    assert (page.path, page.images, page.linked) == (folder / 'review.html', 6, False)
    text = page.path.read_text()
    elements = Elements(text)
    assert not re.findall(r'https?://', text.replace('http://www.w3.org/2000/svg', ''))
    for tag, attributes in elements.found:
        assert tag not in ('iframe', 'object', 'embed', 'img')
        assert 'src' not in attributes
        assert not [name for name in attributes if name.startswith('on') or name == 'style']
        if 'href' in attributes:
            assert attributes['href'] == 'data:,'
    assert [tag for tag, _ in elements.found].count('script') == 2
    # What the browser holds the script and the style to.
    policy = next(a['content'] for t, a in elements.found if a.get('http-equiv'))
    assert policy.startswith("default-src 'none'; ")
    for tag in ('script', 'style'):
        content = elements.texts[tag, None].encode()
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    # Hostile text is there, as text.
    assert text.lower().count('<script') == 2
    assert data_of(page.path)['frames'][3]['boxes'][0][0] == HOSTILE


def test_the_worst_come_first(folder):
    assert [row['key'] for row in data_of(write_page(folder).path)['frames']] == WORST_FIRST


def test_a_name_of_a_folder_is_text_as_well(tmp_path):
    folder = make_dataset(tmp_path / '<b onclick=alert(1)>&')
    text = write_page(folder).path.read_text()
    assert '<title>Review of &lt;b onclick=alert(1)&gt;&amp;</title>' in text
    assert '<b onclick' not in text


def test_small_pictures_are_in_the_page_and_many_are_beside_it(folder, tmp_path):
    head, _, content = picture_of(write_page(folder).path, 0).partition(',')
    assert head == 'data:image/jpeg;base64'
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    original = cv2.imread(str(folder / 'images' / 'astronaut.png'))
    assert pixels.shape == original.shape
    assert np.abs(pixels.astype(int) - original).mean() < 4
    beside = write_page(folder, inline_bytes=10_000)
    assert beside.linked
    assert picture_of(beside.path, 0) == 'images/astronaut.png'
    away = write_page(folder, tmp_path / 'away' / 'page.html', inline_bytes=0)
    assert picture_of(away.path, 0) == (folder / 'images' / 'astronaut.png').as_uri()


def test_pictures_shrink_until_they_fit(tmp_path):
    folder = tmp_path / 'drive'
    (folder / 'images').mkdir(parents=True)
    rows = []
    for number in range(6):
        name = f'images/{number}.jpg'
        cv2.imwrite(str(folder / name), np.roll(skimage.data.coffee(), 50 * number, 1))
        image = ImageRecord(file=name, width=600, height=400)
        rows.append(RECORDS[1].model_copy(update={'key': f'k{number}', 'image': image}))
    # JPEG has no room for it.
    cv2.imwrite(str(folder / 'images/0.png'), np.zeros((70_000, 2, 3), np.uint8))
    tall = ImageRecord(file='images/0.png', width=2, height=70_000)
    rows[0] = rows[0].model_copy(update={'image': tall})
    make_dataset(folder, rows)
    widths = []
    for budget in (400_000, 250_000, 150_000):
        page = write_page(folder, inline_bytes=budget)
        assert not page.linked
        assert page.without_picture == 0
        assert page.path.stat().st_size < budget + 50_000
        content = picture_of(page.path, 1).partition(',')[2]
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), 1)
        widths.append(pixels.shape[1])
    assert widths == [600, 480, 320]
    assert write_page(folder, inline_bytes=30_000).linked


def test_pictures_of_elsewhere_are_not_shown(tmp_path):
    secret = tmp_path / 'secret.png'
    cv2.imwrite(str(secret), np.zeros((4, 4, 3), np.uint8))
    folder = make_dataset(tmp_path / 'drive')
    (folder / 'images' / 'link.png').symlink_to(secret)
    rows = [
        row.model_copy(
            update={'image': ImageRecord(file=file, width=451, height=300), 'key': f'k{number}'}
        )
        for number, (row, file) in enumerate(zip(RECORDS, ('images/link.png', ''), strict=False))
    ]
    records = folder / 'annotations.jsonl'
    write_lines(records, rows)
    page = write_page(folder)
    assert page.without_picture == 2
    assert data_of(page.path)['pictures'] == []
    assert not [row for row in data_of(page.path)['frames'] if 'picture' in row]
    # Nor do exports take it along.
    for name in ('coco', 'mcap'):
        with pytest.raises(
            InputError, match=r'link\.png of k0 is a link out of .*; put the picture'
        ):
            export_dataset(folder, [name], ('cat', 'person', 'rocket'), has_pictures=True)
    for file in ('../secret.png', str(secret)):
        records.write_text(rows[0].line().replace('images/link.png', file) + '\n')
        with pytest.raises(InputError, match=r'secret\.png.* is not in the folder of the dataset'):
            write_page(folder)


def test_nothing_but_a_page_is_written_over(folder, capsys):
    append_reviews(folder, [ReviewLine(key='drive-000001', box=0, verdict='accepted')])
    for name in ('annotations.jsonl', 'dataset.json', 'reviews.jsonl', 'images/rocket.jpg'):
        content = (folder / name).read_bytes()
        assert main(['review', str(folder), '--output', str(folder / name)]) == 2
        assert 'is there and is no page; choose another name' in capsys.readouterr().err
        assert (folder / name).read_bytes() == content
    assert main(['review', str(folder)]) == main(['review', str(folder)]) == 0


def test_what_was_said_is_in_the_page(folder):
    lines = [
        ReviewLine(key='drive-000001', box=0, verdict='rejected', at='2026-11-23T10:00:00Z'),
        ReviewLine(key='drive-000001', box=0, verdict='accepted', at='2026-11-23T10:00:01Z'),
    ]
    append_reviews(folder, lines)
    assert data_of(write_page(folder).path)['reviews'] == [
        {
            'key': 'drive-000001',
            'box': 0,
            'verdict': 'accepted',
            'at': '2026-11-23T10:00:01Z',
        }
    ]


def test_boxes_of_two_models_are_paired_by_name_and_overlap():
    ours = [
        box('cat', 0, 0, 100, 100, score=0.9),
        box('cat', 10, 0, 110, 100, score=0.8),
        box('dog', 200, 200, 300, 300, score=0.7),
        box('car', 400, 0, 500, 100, score=0.6),
    ]
    theirs = [
        box('cat', 12, 0, 112, 100, score=0.5),  # fits the second best
        box('cat', 0, 2, 100, 102, score=0.5),
        box('wolf', 200, 200, 300, 300, score=0.5),
        box('car', 450, 0, 550, 100, score=0.5),  # a third of it
    ]
    comparison = compare(ours, theirs)
    assert comparison.agreed == (True, True, False, False)
    assert [row.label for row in comparison.missing] == ['wolf', 'car']
    assert comparison.disagreement == 0.5
    assert compare([], []).disagreement == 0
    assert compare(ours[:1], []).disagreement == 1


def test_images_that_two_models_see_differently_come_first(folder, tmp_path):
    rows = list(read_lines(folder / 'annotations.jsonl', FrameRecord))
    # Of the surest image, the other model sees nothing; the others it sees alike.
    rows[4] = rows[4].model_copy(update={'detections': ()})
    other = make_dataset(tmp_path / 'other', rows)
    frames = data_of(write_page(folder, other=other).path)['frames']
    assert [row['key'] for row in frames[:3]] == ['drive-000003', 'drive-000004', 'drive-000000']
    assert (frames[1]['disagreement'], frames[1]['alone']) == (1, [0])
    assert frames[2]['disagreement'] == 0
    frames = data_of(write_page(other, other=folder).path)['frames']
    assert frames[1]['missing'] == [['person', 0.88, [100, 20, 400, 512]]]
    stranger = make_dataset(tmp_path / 'stranger', [record(9, 'coffee', (600, 400))])
    with pytest.raises(InputError, match='has none of the images of'):
        write_page(folder, other=stranger)


def test_the_command_writes_and_applies(folder, tmp_path, capsys):
    assert main(['review', str(folder)]) == 0
    assert capsys.readouterr().out == f'{folder}/review.html: 6 images\n'
    (folder / 'images' / 'rocket.jpg').unlink()
    assert main(['review', str(folder), '--inline-mb', '0', '--output', str(tmp_path / 'p')]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        f'its pictures are those in {folder}: keep the page with them',
        '1 has no picture; annotate keeps them with --images jpeg',
    ]
    given = tmp_path / 'reviews.jsonl'
    write_lines(
        given,
        [
            ReviewLine(key='drive-000001', box=0, verdict='accepted', label='mug'),
            ReviewLine(key='gone', verdict='rejected'),
        ],
    )
    assert main(['review', str(folder), '--apply', str(given)]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == '1 boxes and images have a verdict, 1 of them anew'
    assert out.splitlines()[1].endswith('lacks: mug')
    assert err == 'vlm-ros: gone was not reviewed: the dataset has no such image\n'
    assert main(['review', str(folder), '--format', 'coco']) == 2
    assert '--format writes what was reviewed; it needs --apply' in capsys.readouterr().err
    assert main(['review', str(folder), '--port', '8400']) == 2
    assert '--port is that of a server; it needs --serve' in capsys.readouterr().err
    assert main(['review', str(folder), '--apply', '--inline-mb', '3']) == 2
    assert '--inline-mb is of the page as a file' in capsys.readouterr().err
    assert main(['review', str(folder), '--apply', '--format', 'pdf']) == 2
    assert "no format 'pdf'; there are coco, yolo, voc, kitti, mcap" in capsys.readouterr().err
    assert main(['review', str(tmp_path)]) == 2
    assert 'holds no dataset; make one with vlm-ros annotate' in capsys.readouterr().err


def test_what_was_reviewed_is_exported(folder, tmp_path, capsys):
    append_reviews(
        folder,
        [
            ReviewLine(key='drive-000000', box=1, verdict='rejected'),
            ReviewLine(key='drive-000001', box=0, verdict='accepted', label='mug'),
            ReviewLine(key='drive-000005', box=0, verdict='accepted', label='cat'),
            ReviewLine(key='drive-000004', verdict='rejected'),
        ],
    )
    arguments = ['review', str(folder), '--apply', '--format', 'coco, mcap', '--format', 'yolo']
    assert main(arguments) == 0
    exports = folder / 'exports'
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == f'{exports}/mcap/annotated.mcap: 5 images and 3 boxes as mcap'
    (path,) = (exports / 'coco').rglob('*.json')
    assert lines[-3] == f'{path}: 4 images and 3 boxes as coco'
    coco = json.loads(path.read_bytes())
    names = {row['id']: row['name'] for row in coco['categories']}
    assert list(names.values()) == ['cat', 'coffee cup', 'person', 'rocket', 'mug']
    assert sorted(names[row['category_id']] for row in coco['annotations']) == [
        'cat', 'cat', 'mug'
    ]  # fmt: skip
    assert (exports / 'yolo').is_dir()
    # What was exported before somebody said more is named.
    assert main(['review', str(folder), '--apply']) == 0
    assert 'older' not in capsys.readouterr().out
    append_reviews(folder, [ReviewLine(key='drive-000000', verdict='rejected')])
    assert main(['review', str(folder), '--apply', '--format', 'coco']) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f'{path}: 3 images and 2 boxes as coco',
        f'{exports}: older than the reviews; write anew with --format yolo,mcap',
    ]
