"""Pascal VOC annotations, held against supervision's reader."""

import numpy as np
import pytest
import supervision as sv

from vlm_ros.data.formats import read_voc, write_voc
from vlm_ros.errors import InputError

# Of the layout of VOC2007, with a part of a thing inside it as the person layout has.
ANNOTATION = """<annotation>
  <folder>VOC2007</folder>
  <filename>000001.jpg</filename>
  <source><database>The VOC2007 Database</database></source>
  <size><width>353</width><height>500</height><depth>3</depth></size>
  <segmented>0</segmented>
  <object>
    <name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
    <bndbox><xmin>48</xmin><ymin>240</ymin><xmax>195</xmax><ymax>371</ymax></bndbox>
  </object>
  <object>
    <name>person</name><pose>Left</pose><truncated>1</truncated><difficult>1</difficult>
    <part>
      <name>head</name>
      <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>
    </part>
    <bndbox><xmin>8.0</xmin><ymin>12</ymin><xmax>354</xmax><ymax>498</ymax></bndbox>
  </object>
</annotation>
"""


@pytest.fixture
def public(tmp_path):
    (tmp_path / 'Annotations').mkdir()
    path = tmp_path / 'Annotations' / '000001.xml'
    path.write_text(ANNOTATION)
    return path


def test_the_reference_reader_reads_all(dataset, tmp_path):
    out = tmp_path / 'voc'
    write_voc(dataset.records, dataset.vocabulary, out, images=dataset.folder)
    read = sv.DetectionDataset.from_pascal_voc(
        images_directory_path=str(out / 'JPEGImages'),
        annotations_directory_path=str(out / 'Annotations'),
    )
    ours = {image.file: image for image in read_voc(out, images=out / 'JPEGImages').images}
    assert len(read) == len(ours) == 4
    for path, image, detections in read:
        truth = ours[path.rpartition('/')[2]]
        assert image.shape[:2] == (truth.height, truth.width)
        np.testing.assert_array_equal(detections.xyxy.reshape(-1, 4), truth.xyxy)
        assert [read.classes[number] for number in detections.class_id] == list(truth.labels)


def test_a_box_over_the_whole_image_counts_from_one(dataset, tmp_path):
    first = dataset.records[0]
    box = first.detections[0].model_copy(update={'xyxy': (0.0, 0.0, 451.0, 300.0)})
    entry = first.model_copy(update={'detections': (box,)})
    write_voc([entry], dataset.vocabulary, tmp_path)
    text = (tmp_path / 'Annotations' / f'{first.key}.xml').read_text()
    for element in (
        '<xmin>1</xmin>',
        '<ymin>1</ymin>',
        '<xmax>451</xmax>',
        '<ymax>300</ymax>',
        '<score>0.91</score>',
        '<track_id>7</track_id>',
        f'<stamp_ns>{first.stamp_ns}</stamp_ns>',
        '<database>drive</database>',
        '<image>/front</image>',
    ):
        assert element in text


def test_the_public_layout_is_read(public):
    truth = read_voc(public.parents[1])
    (image,) = truth.images
    assert (image.key, image.file, image.width, image.height) == ('000001', '000001.jpg', 353, 500)
    assert truth.labels == ('dog', 'person')
    np.testing.assert_array_equal(image.xyxy, [[47, 239, 195, 371], [7, 11, 353, 498]])
    assert truth.clipped == 1
    assert image.difficult.tolist() == [False, True]
    assert [box.score for box in image.boxes] == [None, None]


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        ('<xmin>48<', '<xmin>200<', 'object 1 of .* ends before it begins'),
        ('<xmin>48<', '<xmin>nan<', 'object 1 of .* not finite'),
        ('<xmax>354<', '<xmax>400<', 'object 2 of .* 47 pixels out of the image of 353×500'),
        ('<xmax>354<', '<xmax>wide<', "object 2 of .* 'wide' is not a number"),
        ('<ymin>240</ymin>', '', 'object 1 of .* there is no bndbox/ymin'),
        ('<name>dog</name>', '', 'object 1 of .* there is no name'),
        ('<width>353<', '<width>0<', r'the image is 0×500'),
        ('<height>500</height>', '', 'there is no size/height'),
        ('</annotation>', '', 'not an annotation of VOC: no element found: line'),
    ],
)
def test_what_is_wrong_is_named_in_one_line(public, old, new, words):
    assert old in ANNOTATION
    public.write_text(ANNOTATION.replace(old, new))
    with pytest.raises(InputError, match=words) as caught:
        read_voc(public.parents[1])
    assert '\n' not in str(caught.value)
    assert str(public) in str(caught.value)


def test_missing_files_are_named(public, tmp_path):
    with pytest.raises(InputError, match='has no folder Annotations'):
        read_voc(tmp_path / 'Annotations')
    with pytest.raises(InputError, match=r'000001\.jpg of .* is missing'):
        read_voc(tmp_path, images=tmp_path)
    lists = tmp_path / 'ImageSets' / 'Main'
    lists.mkdir(parents=True)
    (lists / 'dog_val.txt').write_text('000001  1\n')
    assert len(read_voc(tmp_path, split='dog_val').images) == 1
    (lists / 'val.txt').write_text('000001\n000002\n')
    with pytest.raises(InputError, match=r'000002\.xml is missing'):
        read_voc(tmp_path, split='val')
    (lists / 'val.txt').write_text('000001\n000001\n')
    with pytest.raises(InputError, match='000001 is there twice'):
        read_voc(tmp_path, split='val')
