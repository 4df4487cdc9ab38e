"""Models by name: `load('embedded')` makes one ready, `describe()` says which there are."""

import os
import sys

from vlm_ros.backends.options import parse_options, split_options
from vlm_ros.backends.registry import (
    BackendInfo,
    describe,
    ENTRY_POINT_GROUP,
    load,
    names,
    tasks_named,
)

__all__ = [
    'ENTRY_POINT_GROUP',
    'BackendInfo',
    'describe',
    'load',
    'names',
    'parse_options',
    'split_options',
    'tasks_named',
]

# OpenMP's threads spin while they wait for work. On a machine that other processes use too, that
# takes the very core the next layer needs: measured on two busy cores, 1.2 s a frame instead of
# 0.2 s. It is read once, when torch is first imported.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

# OpenVINO tells a statistics server of its maker's about every import, as long as it finds this
# library. A robot tells nobody.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
