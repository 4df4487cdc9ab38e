"""Where this package keeps what people gave it."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Return the folder: `VLM_ROS_DATA`, else `vlm_ros` in the user's data folder.

    Not the cache: what is kept here cannot be had again.
    """
    if own := os.environ.get('VLM_ROS_DATA'):
        return Path(own).expanduser()
    base = os.environ.get('XDG_DATA_HOME')
    return (Path(base) if base else Path.home() / '.local' / 'share') / 'vlm_ros'
