"""Imports, each in a process of its own: in this one everything has been imported already."""

import subprocess
import sys

import pytest

ENGINE = 'import vlm_ros.backends.engine.torchvision as engine; engine.import_torchvision(); '


@pytest.mark.parametrize(
    'code',
    [
        ENGINE + 'import open_clip; from transformers import SmolVLMImageProcessor as last',
        ENGINE + 'from transformers import BertModel as last',
        'from vlm_ros.backends.families.owl import OwlBackend as last',
        'from vlm_ros.backends.chat import load_chat as last',
    ],
    ids=['processors', 'models', 'family', 'chat'],
)
def test_what_needs_torchvision_can_be_imported_first(code):
    done = subprocess.run(
        [sys.executable, '-c', f'{code}; print(last.__name__)'],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.strip() in code
