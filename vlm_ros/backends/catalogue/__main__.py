"""Puts the catalogue into a document: `python -m vlm_ros.backends.catalogue docs/models.md`."""

from pathlib import Path
import sys

from vlm_ros.backends.catalogue import CATALOGUE
from vlm_ros.backends.catalogue.table import replaced

if __name__ == '__main__':
    path = Path(sys.argv[1])
    path.write_text(replaced(path.read_text('utf-8'), CATALOGUE), 'utf-8')
