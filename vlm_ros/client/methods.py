"""Makes methods out of the functions that prepare requests."""

from collections.abc import Callable
import inspect
from typing import Any, TypeVar

M = TypeVar('M', bound=Callable[..., Any])


def named_like(function: Callable[..., Any], method: M, doc: str) -> M:
    """Give a method the name, the arguments and the documentation of a function.

    Args:
        function: What the method calls with its own arguments.
        method: Takes `self` besides.
        doc: Follows what the function's documentation says.
    """
    method.__name__ = function.__name__
    method.__doc__ = f'{inspect.getdoc(function)}\n\n{doc}'
    signature = inspect.signature(function)
    self = inspect.Parameter('self', inspect.Parameter.POSITIONAL_ONLY)
    parameters = [self, *signature.parameters.values()]
    # For `help` and editors; what a caller may pass is checked by the types.
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=inspect.signature(method).return_annotation
    )
    return method
