"""Models by name: `load('embedded')` makes one ready, `describe()` says which there are."""

from vlm_ros.backends.options import parse_options
from vlm_ros.backends.registry import BackendInfo, describe, ENTRY_POINT_GROUP, load, names

__all__ = ['ENTRY_POINT_GROUP', 'BackendInfo', 'describe', 'load', 'names', 'parse_options']
