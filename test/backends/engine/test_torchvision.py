import subprocess
import sys


def test_transformers_and_open_clip_can_be_imported():
    # In a process of its own: here it has been imported already.
    code = (
        'from vlm_ros.backends.engine.torchvision import import_torchvision as mend;'
        'mend(); mend();'
        'import open_clip; from transformers import BertModel, SmolVLMImageProcessor'
    )
    subprocess.run(
        [sys.executable, '-W', 'error::UserWarning', '-c', code], check=True, timeout=110
    )
