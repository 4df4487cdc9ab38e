"""ROS parameters as one frozen dataclass a node: type, default, description, range, once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, Field, field, fields, MISSING, replace
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlm_ros.errors import InputError

P = TypeVar('P')


def parameter(
    default: Any,
    description: str,
    *,
    read_only: bool = False,
    bounds: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    text_or_list: bool = False,
) -> Any:
    """Declare one dataclass field as a ROS parameter.

    Args:
        default: Its default, whose type is the parameter's.
        description: What it means, with its unit; shown by `ros2 param describe`.
        read_only: Whether it can be given at the start only.
        bounds: The smallest and largest value, inclusive.
        choices: The texts that are allowed.
        text_or_list: Take a list of texts or one text with commas; a launch argument is a text.
    """
    if choices:
        description = f'{description} One of: {", ".join(choices)}.'
    metadata = {
        'description': description,
        'read_only': read_only,
        'bounds': bounds,
        'choices': choices,
        'text_or_list': text_or_list,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ModelParameters:
    """The parameters of every node that uses a model; they count when the node is configured."""

    backend: str = parameter('embedded', 'Registered backend name. At the next configure.')
    model: str = parameter('', "The backend's model id; empty for its own. At the next configure.")
    device: str = parameter(
        'cpu', 'Where the model runs: auto, cpu, cuda, cuda:1 or mps. At the next configure.'
    )
    backend_options: str = parameter(
        '',
        "The backend's own options, as in 'threads=1,verbose=true'; no secrets: everybody can "
        'read parameters. At the next configure.',
    )
    fallback: tuple[str, ...] = parameter(
        (),
        "Backends to use while the first cannot be, best first, as in 'embedded threads=1'. "
        'At the next configure.',
        text_or_list=True,
    )
    watchdog_s: float = parameter(
        30.0,
        'Seconds the model may take for images, and go without a sign of life in any call, '
        'before it is given up. At the next configure.',
        bounds=(0.05, 3600.0),
    )
    load_timeout_s: float = parameter(
        300.0, 'Seconds loading may take. At the next configure.', bounds=(0.1, 86400.0)
    )
    max_waiting_requests: int = parameter(
        16,
        'Requests that may wait for the model; more are refused at once. At the next configure.',
        bounds=(1, 1000),
    )
    autostart: bool = parameter(
        True,
        'Configure and activate the node when it starts; false where a lifecycle manager does.',
        read_only=True,
    )


class Parameters(Generic[P]):
    """A node's parameters: declared from a dataclass, checked as a whole at every change.

    `values` is replaced in one step, so whoever reads it once sees one consistent set.

    Args:
        node: The node to declare them on.
        cls: A frozen dataclass made of `parameter` fields. Its `__post_init__` may raise
            `InputError`; the change is then refused and the message is the reason.
        on_change: Called with the new values after a change was accepted.
        prefix: What the parameters' names begin with, such as 'front.'.

    Raises:
        InputError: A value given at the start cannot be used.
    """

    def __init__(
        self,
        node: Node,
        cls: type[P],
        on_change: Callable[[P], None] | None = None,
        *,
        prefix: str = '',
    ) -> None:
        self._prefix = prefix
        self._fields: dict[str, Field[Any]] = {prefix + f.name: f for f in fields(cls)}  # type: ignore[arg-type]
        given = {f.name: _declare(node, name, f) for name, f in self._fields.items()}
        self.values: P = cls(**given)
        self._node = node
        self._on_change = on_change
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._apply)

    def set(self, **values: Any) -> SetParametersResult:
        """Set parameters from inside the node, checked and announced as from outside."""
        return self._node.set_parameters_atomically(
            [Parameter(self._prefix + name, value=value) for name, value in values.items()]
        )

    def changed(self, parameters: list[Parameter]) -> P:
        """Return what the values would be with these parameters.

        Raises:
            InputError: They cannot be used.
        """
        changes = {
            self._fields[p.name].name: _read(self._fields[p.name], p.value)
            for p in parameters
            if p.name in self._fields
        }
        return replace(self.values, **changes)  # type: ignore[type-var]

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            self.changed(parameters)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, parameters: list[Parameter]) -> None:
        before, self.values = self.values, self.changed(parameters)
        if self._on_change is not None and self.values != before:
            self._on_change(self.values)


def unknown_parameters(args: Sequence[str], nodes: Sequence[Node]) -> list[str]:
    """Return a line for each `-p` that names a parameter which no node has; rcl ignores such.

    Files of parameters are left alone: launch gives all nodes the same one.

    Args:
        args: The command line.
        nodes: All nodes of the process.
    """
    lines = []
    for target, name in _assigned(args):
        meant = [node for node in nodes if _is_meant(target, node)]
        if any(node.has_parameter(name) for node in meant):
            continue
        if not meant:
            lines.append(f'-p {target}:{name} is ignored: there is no node {target!r} here')
            continue
        whose = ', '.join(node.get_name() for node in meant)
        known = sorted({known for node in meant for known in node.get_parameters_by_prefix('')})
        close = get_close_matches(name, known, n=1)
        hint = f'did you mean {close[0]}?' if close else 'see config/perception.yaml'
        lines.append(f'-p {name} is ignored: {whose} has no such parameter; {hint}')
    return lines


def _assigned(args: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the node, or nothing for all, and the name of each `-p NODE:NAME:=VALUE`."""
    is_for_ros = False
    for word, text in pairwise(args):
        if word in ('--ros-args', '--'):
            is_for_ros = word == '--ros-args'
        elif is_for_ros and word in ('-p', '--param'):
            target, _, name = text.partition(':=')[0].rpartition(':')
            yield target, name


def _is_meant(target: str, node: Node) -> bool:
    return not target or '*' in target or target.rpartition('/')[2] == node.get_name()


def _declare(node: Node, name: str, f: Field[Any]) -> Any:
    default = f.default if f.default is not MISSING else None
    descriptor = ParameterDescriptor(
        description=f.metadata['description'],
        read_only=f.metadata['read_only'],
        dynamic_typing=f.metadata['text_or_list'],
    )
    if (bounds := f.metadata['bounds']) is not None:
        if isinstance(default, int):
            descriptor.integer_range = [
                IntegerRange(from_value=int(bounds[0]), to_value=int(bounds[1]))
            ]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(bounds[0]), to_value=float(bounds[1]))
            ]
    # An empty list has no type that a parameter could have.
    value = (list(default) or '') if isinstance(default, tuple) else default
    try:
        declared = node.declare_parameter(name, value, descriptor)
    except InvalidParameterTypeException as error:
        wanted = type(value).__name__
        raise InputError(f'parameter {name!r} must be a {wanted}: {error}') from error
    except (InvalidParameterValueException, ParameterException) as error:
        raise InputError(f'parameter {name!r} cannot be used: {error}') from error
    return _read(f, declared.value)


def _read(f: Field[Any], value: Any) -> Any:
    if f.metadata['text_or_list']:
        if isinstance(value, str):
            return tuple(text.strip() for text in value.split(',')) if value.strip() else ()
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise InputError(
                f"parameter {f.name!r} must be a list of texts or one text such as 'person, cup'"
            )
        return tuple(value)
    if f.metadata['choices'] and value not in f.metadata['choices']:
        raise InputError(
            f'parameter {f.name!r} is {value!r}; '
            f'it must be one of {", ".join(f.metadata["choices"])}'
        )
    return value
