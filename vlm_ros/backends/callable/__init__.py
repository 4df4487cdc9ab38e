"""Models without a loader of their own: a function, or an object with methods, of the user's.

`model` names it, as `my_package.my_module:my_function`. It gets images and texts and gives plain
values back, which are checked and made into results here.
"""

from vlm_ros.backends.callable.backend import CallableBackend, open_callable

__all__ = ['CallableBackend', 'open_callable']
