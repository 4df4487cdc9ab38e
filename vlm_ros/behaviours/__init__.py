"""Leaves of behaviour trees (py_trees) that ask the nodes.

Each sends its request when it begins, is RUNNING until the answer is there, and takes the request
back when the tree leaves it. What a status of the answer makes of a leaf stands in a table of its
own, `vlm_ros.behaviours.mapping`.
"""

from vlm_ros.errors import MissingDependencyError

try:
    import py_trees  # noqa: F401 - asked for here, to say what is missing
except ImportError as error:
    raise MissingDependencyError(
        "vlm_ros.behaviours needs py_trees: pip install 'py_trees>=2.3,<3'"
    ) from error

from vlm_ros.behaviours.leaf import Leaf
from vlm_ros.behaviours.leaves import AskVlm, CheckStatement, FindObject, WaitForObject
from vlm_ros.behaviours.mapping import Policy

__all__ = ['AskVlm', 'CheckStatement', 'FindObject', 'Leaf', 'Policy', 'WaitForObject']
