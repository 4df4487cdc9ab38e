"""The truth of the photographs."""

import shutil

from evaluated_photographs import LABELS, photograph, record, SIZES, TRUTH
import pytest

from vlm_ros.data.formats import write_coco


@pytest.fixture
def truth_records(tmp_path):
    folder = tmp_path / 'photographs' / 'images'
    folder.mkdir(parents=True)
    for name in SIZES:
        shutil.copy(photograph(name), folder)
    return [
        record(i, name, [(label, 1.0, *xyxy) for label, *xyxy in TRUTH[name]])
        for i, name in enumerate(SIZES)
    ]


@pytest.fixture
def truth(tmp_path, truth_records):
    write_coco(truth_records, LABELS, tmp_path / 'truth', images=tmp_path / 'photographs')
    return tmp_path / 'truth' / 'annotations' / 'instances_train.json'
