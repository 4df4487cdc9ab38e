"""What goes wrong between here and a hub, in one line that names the fix."""

from collections.abc import Iterator
from contextlib import contextmanager
import errno

from vlm_ros.backends.hub.store import hub_folder
from vlm_ros.errors import WeightsError


@contextmanager
def worded(model_id: str) -> Iterator[None]:
    """Turn every failure of the network, the hub's client and the disk into a WeightsError.

    Raises:
        WeightsError: One line about what failed.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except WeightsError:
        raise
    except (OSError, HFValidationError, http_error()) as error:
        # The client's exceptions of the kind OSError come first: they say more.
        if isinstance(error, HfHubHTTPError):
            message = _refusal(error, model_id)
        elif isinstance(error, http_error() | ConnectionError | TimeoutError):
            message = _silence(error, model_id)
        elif isinstance(error, OSError):
            message = _disk(error, model_id)
        else:
            message = f'{model_id} cannot be asked for: {one_line(error)}'
        raise WeightsError(message) from error


def http_error() -> type[Exception]:
    """Return the root of the HTTP client's exceptions.

    huggingface_hub 1 is built on httpx and 2 on its successor; both root what they raise in a
    class that the hub's own errors derive from.
    """
    from huggingface_hub.errors import HfHubHTTPError

    root: type[Exception] = HfHubHTTPError.__bases__[0]
    return root


def not_a_hub(model_id: str, error: Exception) -> WeightsError:
    """Return the error about an answer that the hub's client cannot make sense of."""
    return WeightsError(
        f'{endpoint()} answered something else than a model hub when asked for {model_id} '
        f'({type(error).__name__}); check HF_ENDPOINT and whether a proxy asks to log in'
    )


def endpoint() -> str:
    """Return the address of the hub that is asked: `HF_ENDPOINT`, or the client's own."""
    from huggingface_hub import constants

    return constants.ENDPOINT


def one_line(error: Exception) -> str:
    """Return what an exception says, without line breaks."""
    return ' '.join(str(error).split())[:200] or type(error).__name__


def _refusal(error: OSError, model_id: str) -> str:
    from huggingface_hub import errors

    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else 0
    page = f'{endpoint()}/{model_id}'
    token = 'put a token of your account into the environment variable HF_TOKEN'
    if isinstance(error, errors.GatedRepoError):
        return f'{model_id} is gated: accept its terms on {page} and {token}'
    if isinstance(error, errors.RevisionNotFoundError):
        return f'{page} has no such commit; to settle on a new one, add --update or --revision'
    if isinstance(error, errors.EntryNotFoundError):
        return f'{page} has lost a file of this commit; to settle on a new one, add --update'
    if status in (401, 403):
        return (
            f'{page} answers {status}: there is no such model, or it is private or gated; accept '
            f'its terms there, if it has any, and {token}'
        )
    if status == 404:
        return f'{endpoint()} has no model {model_id}; check its name and HF_ENDPOINT'
    if status == 429:
        return (
            f'{endpoint()} limits how often it is asked (429){_wait(error)}; wait and run the '
            f'same again, what is here is kept; {token} for a higher limit'
        )
    fault = 'has a fault' if status >= 500 else 'refuses'
    return f'{endpoint()} {fault} ({status}) when asked for {model_id}; try again later'


def _wait(error: OSError) -> str:
    response = getattr(error, 'response', None)
    seconds = response.headers.get('Retry-After', '') if response is not None else ''
    return f', for {seconds} s' if seconds.isdecimal() and len(seconds) < 6 else ''


def _silence(error: Exception, model_id: str) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    carry = 'bring the model in a bundle: vlm-ros models import FILE.tar'
    if isinstance(error, OfflineModeIsEnabled):
        return (
            f'{model_id} is not whole here and HF_HUB_OFFLINE forbids to ask; unset it, or {carry}'
        )
    return (
        f'{endpoint()} cannot be reached, or broke off ({one_line(error)}); check the network, '
        f'the proxy and HF_ENDPOINT and run the same again, what is here is kept; or {carry}'
    )


def _disk(error: OSError, model_id: str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f'the disk of {hub_folder()} is full; free some space, or set HF_HOME to a folder on '
            'another disk, and run the same again'
        )
    where = error.filename or hub_folder()
    return f'{model_id} cannot be kept in {where}: {error.strerror or one_line(error)}'
