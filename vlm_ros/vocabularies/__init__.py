"""The names that driving datasets and simulators use, and which of them mean the same."""

from vlm_ros.vocabularies.label_set import LabelClass, LabelSet, named, names, plain_name
from vlm_ros.vocabularies.mapping import Mapping, mapping

__all__ = ['LabelClass', 'LabelSet', 'Mapping', 'mapping', 'named', 'names', 'plain_name']
