"""A backend without a model, for tests of behaviours, demos and CI.

It needs no weights and answers always the same: what it finds depends on nothing but the names it
is asked for and, where given, a scene. What else can happen around a model is an option: it is
slow, fails, hangs, finds nothing, runs out of memory, does not load.

`script`: what the calls do, one after the other. `scene`: what is where. `loading`: how long it
takes and whether it ends well. `backend`: the tasks.
"""

from vlm_ros.backends.fake.backend import FakeBackend

__all__ = ['FakeBackend']
