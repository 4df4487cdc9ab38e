"""`vocabularies`: the sets of labels there are, and what is what between them."""

import pytest

from vlm_ros.errors import VocabularyError
from vlm_ros.phrases import Vocabulary
from vlm_ros.vocabularies import mapping, named, names


@pytest.mark.parametrize(
    ('name', 'count', 'last'),
    [
        ('kitti', 8, 'Misc'),
        ('nuscenes', 10, 'truck'),
        ('bdd100k', 10, 'traffic sign'),
        ('carla', 30, 'Rock'),
        ('coco', 80, 'toothbrush'),
    ],
)
def test_every_set_is_complete_and_can_be_looked_for(name, count, last):
    labels = named(name.upper())
    assert len(set(labels.labels)) == count
    assert labels.labels[-1] == last
    assert set(labels.prompts().values()) <= set(labels.labels)
    Vocabulary(tuple(labels.prompts()))
    assert all(mapping(name, name)[e.label] == e.label for e in labels.classes if e.means)


@pytest.mark.parametrize(
    ('source', 'target', 'label', 'expected'),
    [
        ('kitti', 'coco', 'Pedestrian', 'person'),
        ('kitti', 'coco', 'Van', 'car'),
        ('kitti', 'coco', 'Tram', 'train'),
        ('kitti', 'coco', 'Misc', None),
        ('kitti', 'bdd100k', 'Cyclist', 'rider'),
        ('bdd100k', 'kitti', 'rider', 'Cyclist'),
        ('bdd100k', 'kitti', 'motor', None),
        ('bdd100k', 'nuscenes', 'rider', None),
        ('coco', 'kitti', 'person', 'Pedestrian'),
        ('coco', 'carla', 'stop sign', 'TrafficSign'),
        ('carla', 'nuscenes', 'Pedestrian', 'pedestrian'),
        ('nuscenes', 'coco', 'construction_vehicle', 'truck'),
    ],
)
def test_classes_are_found_again_in_other_sets(source, target, label, expected):
    assert mapping(source, target)[label] == expected


def test_numbers_are_those_of_the_datasets():
    assert {label: named('coco').find(label).number for label in ('stop sign', 'toothbrush')} == {
        'stop sign': 13,
        'toothbrush': 90,
    }
    assert named('carla').find('Pedestrian').number == 12


def test_unknown_names_have_near_ones():
    with pytest.raises(VocabularyError, match="did you mean 'kitti'"):
        named('kiti')
    with pytest.raises(VocabularyError, match="did you mean 'pedestrian'"):
        named('kitti').find('pedestrain')
    assert 'coco' in names()


def test_labels_that_map_to_nothing_are_one_clear_error():
    mapping('coco', 'kitti').check(['toothbrush', 'car'])
    with pytest.raises(VocabularyError, match='none of toothbrush, vase of coco has a class in'):
        mapping('coco', 'kitti').check(['toothbrush', 'vase'])
