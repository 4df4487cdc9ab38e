"""What the package imports is declared in package.xml or setup.py."""

import ast
from pathlib import Path
import re
import sys
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
# What has another name than the import, or comes with something else.
BROUGHT_BY = {
    'PIL': 'pil',
    'cv2': 'opencv',
    'faster_coco_eval': 'faster-coco-eval',
    'filelock': 'huggingface_hub',
    'markupsafe': 'jinja2',
    'open_clip': 'open_clip_torch',
    'sqlite_vec': 'sqlite-vec',
    'tf2_ros': 'tf2_ros_py',
}
OWN = {'patrol', 'vlm_ros'}


def imported():
    """Return the outermost names of all imports, with a file that has each."""
    names = {}
    for folder in ('vlm_ros', 'launch', 'examples'):
        for path in (ROOT / folder).rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text('utf-8'))):
                if isinstance(node, ast.Import):
                    found = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found = [node.module]
                else:
                    continue
                names |= {name.partition('.')[0]: path for name in found}
    return names


def declared():
    """Return what package.xml and setup.py bring, without the decorations of rosdep keys."""
    manifest = ET.parse(ROOT / 'package.xml').getroot()
    keys = {key.text for key in manifest.findall('exec_depend')}
    plain = {key.removeprefix('python3-').removesuffix('-pip') for key in keys}
    setup = (ROOT / 'setup.py').read_text('utf-8')
    return plain | set(re.findall(r"'([A-Za-z0-9_-]+)(?:\[\w+\])?(?:[<>=][^']*)?'", setup))


def test_every_import_is_declared():
    known = declared() | OWN | sys.stdlib_module_names
    missing = {
        name: str(path.relative_to(ROOT))
        for name, path in imported().items()
        if BROUGHT_BY.get(name, name) not in known
    }
    assert not missing
