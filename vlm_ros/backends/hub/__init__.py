"""Weights of the models in the catalogue: pinned, checked, and used without a network.

`prefetch` is the only module here that talks to a network; `store.locate`, which every load goes
through, never does.
"""

from vlm_ros.backends.hub.store import locate, Snapshot

__all__ = ['Snapshot', 'locate']
