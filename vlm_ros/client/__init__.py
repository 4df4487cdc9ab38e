"""Asks the nodes from a robot's own programs: blocking, in asyncio, or polled.

::

    with VlmClient() as client:
        outcome = client.ask('Is the door open?')
        if outcome.ok:
            print(outcome.result.text, outcome.provenance.age_s)
        else:
            print(outcome.line)
"""

from vlm_ros.client.call import Call
from vlm_ros.client.client import VlmClient
from vlm_ros.client.outcomes import Exemplar, Memories, Moment, Outcome, Pose, StatementState
from vlm_ros.client.requests import Request
from vlm_ros.client.watching import Watch

__all__ = [
    'Call',
    'Exemplar',
    'Memories',
    'Moment',
    'Outcome',
    'Pose',
    'Request',
    'StatementState',
    'VlmClient',
    'Watch',
]
