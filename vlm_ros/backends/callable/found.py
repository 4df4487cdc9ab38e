"""From the name of a user's callable to the functions that do the tasks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
import hashlib
from importlib import import_module
import inspect
from pathlib import Path
import re
from types import ModuleType
from typing import Any

from vlm_ros.errors import BackendError, ModelError, VlmRosError
from vlm_ros.tasks import TASKS

ARGUMENTS: dict[str, tuple[str, ...]] = {
    'detect': ('image', 'names'),
    'ground': ('image', 'text'),
    'caption': ('image', 'prompt'),
    'answer': ('image', 'question'),
    'caption_frames': ('images', 'prompt'),
    'answer_frames': ('images', 'question'),
    'verify': ('images', 'statement'),
    'match': ('image', 'texts'),
    'classify': ('image', 'names'),
    'encode_images': ('images',),
    'encode_texts': ('texts',),
    'match_regions': ('image', 'boxes', 'words'),
    'detect_like': ('image', 'exemplars', 'names'),
    'segment': ('image', 'boxes'),
    'segment_phrases': ('image', 'names'),
}
"""What a function of each task is called with, in this order."""

_OPTIONAL = ('prompt',)
_KEYWORDS = ('ticket', 'score_threshold', 'choices')


@dataclass(frozen=True)
class Function:
    """A user's function for one task.

    Attributes:
        name: How messages call it.
        call: The function itself.
        count: How many of the task's arguments it takes.
        keywords: Which of `ticket`, `score_threshold` and `choices` it takes besides.
    """

    name: str
    call: Callable[..., Any]
    count: int
    keywords: frozenset[str]

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        """Call it with what it takes of this.

        Raises:
            ModelError: It raised something else than an error of this package.
        """
        taken = {key: value for key, value in more.items() if key in self.keywords}
        try:
            return self.call(*arguments[: self.count], **taken)
        except VlmRosError:
            raise
        except (Exception, SystemExit) as error:  # a user's function raises what it likes
            reason = ' '.join(str(error).split()) or type(error).__name__
            raise ModelError(f'{self.name} failed: {reason}') from error


@dataclass(frozen=True)
class Found:
    """What a name stands for.

    Attributes:
        thing: A function, a module or an object with methods named after tasks.
        functions: A function a task.
        revision: Twelve digits of the SHA-256 of the file it comes from.
    """

    thing: object
    functions: Mapping[str, Function]
    revision: str


def find_callable(name: str, *, task: str, device: str) -> Found:
    """Import what a name stands for and see which tasks it does.

    Args:
        name: `package.module:function`, `package.module:Class`, `package.module:object` or
            `package.module`, whose functions are then named after tasks.
        task: What a function does that is not named after its task; empty elsewhere.
        device: Handed to a class that takes it.

    Raises:
        BackendError: There is no such thing, or it does no task.
        ImportError: A library that its module imports is missing.
    """
    module_name, _, attribute = name.partition(':')
    if not re.fullmatch(r'[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*)?', name):
        raise BackendError(
            f'the backend callable needs the name of your function, not {name!r}; '
            'set model to my_package.my_module:my_function'
        )
    if task and task not in TASKS:
        raise BackendError(f'there is no task {task!r}; there are: {", ".join(TASKS)}')
    module = _module(module_name)
    thing = _attribute(module, attribute)
    if inspect.isclass(thing):
        thing = _made(thing, name, device)
    functions = _functions(thing, name, task)
    if not functions:
        raise BackendError(
            f'{name} does no task; name its functions after what they do '
            f'({", ".join(TASKS)}), or say so with the option task'
        )
    return Found(thing, functions, _revision(module))


def _module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f'{name}.'.startswith(f'{error.name}.'):
            raise
        raise BackendError(
            f'there is no module {error.name!r}; install its package, or put the folder that '
            'holds it into PYTHONPATH'
        ) from error
    except ImportError:
        raise
    except (Exception, SystemExit) as error:  # a user's module raises what it likes
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise BackendError(f'the module {name!r} cannot be imported: {reason}') from error


def _attribute(module: ModuleType, path: str) -> object:
    thing: object = module
    for part in path.split('.') if path else ():
        if not hasattr(thing, part):
            close = get_close_matches(part, dir(thing), 1)
            hint = f'; did you mean {close[0]!r}?' if close else ''
            raise BackendError(f'{module.__name__} has no {path!r}{hint}')
        thing = getattr(thing, part)
    return thing


def _made(made_by: type, name: str, device: str) -> object:
    try:
        takes_device = 'device' in inspect.signature(made_by).parameters
        return made_by(device=device) if takes_device else made_by()
    except (VlmRosError, ImportError):
        raise
    except (Exception, SystemExit) as error:  # a user's class raises what it likes
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise BackendError(f'{name} cannot be made: {reason}') from error


def _functions(thing: object, name: str, task: str) -> dict[str, Function]:
    if task:
        if not callable(thing):
            raise BackendError(f'{name} cannot be called, so it cannot be the task {task!r}')
        return {task: _function(thing, task, name)}
    if inspect.isroutine(thing):
        own = str(getattr(thing, '__name__', ''))
        return {own: _function(thing, own, name)} if own in TASKS else {}
    found = {}
    for each in TASKS:
        function = getattr(thing, each, None)
        # What a module has only imported, such as `re.match`, is no task of its own.
        borrowed = inspect.ismodule(thing) and (
            getattr(function, '__module__', '') != thing.__name__
        )
        if callable(function) and not borrowed:
            mark = '.' if ':' in name else ':'
            found[each] = _function(function, each, f'{name}{mark}{each}')
    return found


def _function(function: Callable[..., Any], task: str, name: str) -> Function:
    arguments = ARGUMENTS[task]
    if inspect.iscoroutinefunction(function):
        raise BackendError(f'{name} is async, and nobody awaits it here; give a plain function')
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions of compiled modules have none
        return Function(name, function, len(arguments), frozenset())
    keywords = _keywords(signature)
    required = tuple(argument for argument in arguments if argument not in _OPTIONAL)
    for given in dict.fromkeys((arguments, required)):
        try:
            signature.bind(*given, **dict.fromkeys(keywords))
        except TypeError:
            continue
        return Function(name, function, len(given), keywords)
    raise BackendError(
        f'{name} takes {signature}; the task {task!r} calls it with ({", ".join(arguments)})'
    )


def _keywords(signature: inspect.Signature) -> frozenset[str]:
    parameters = signature.parameters.values()
    if any(item.kind is item.VAR_KEYWORD for item in parameters):
        return frozenset(_KEYWORDS)
    named = {item.name for item in parameters if item.kind is not item.POSITIONAL_ONLY}
    return frozenset(named.intersection(_KEYWORDS))


def _revision(module: ModuleType) -> str:
    try:
        content = Path(str(module.__file__)).read_bytes()
    except (AttributeError, OSError):  # built in, or out of an archive
        return 'unknown'
    return hashlib.sha256(content).hexdigest()[:12]
