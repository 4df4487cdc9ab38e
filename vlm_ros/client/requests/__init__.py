"""What can be asked for: each function checks its arguments and prepares one request.

A prepared request is a value. It can be sent as often as one likes (`VlmClient.send`), which is
how a leaf of a behaviour tree asks again. The methods of `VlmClient` and of its `aio` have the
names and arguments of these functions.
"""

from vlm_ros.client.requests.answering import ask, locate, verify
from vlm_ros.client.requests.finding import describe, detect, ground
from vlm_ros.client.requests.kept import (
    add_exemplar,
    list_exemplars,
    remove_exemplars,
    search_memory,
)
from vlm_ros.client.requests.request import check_name, checked_timeout, Request
from vlm_ros.client.requests.watched import set_statements, set_vocabulary

__all__ = [
    'Request',
    'add_exemplar',
    'ask',
    'check_name',
    'checked_timeout',
    'describe',
    'detect',
    'ground',
    'list_exemplars',
    'locate',
    'remove_exemplars',
    'search_memory',
    'set_statements',
    'set_vocabulary',
    'verify',
]
