"""The way to a server, and which of its models is meant."""

from datetime import datetime, timezone

from vlm_ros.backends.openai_api.address import check_address, read_key
from vlm_ros.backends.openai_api.chat import Chat, Manner, TroubleError
from vlm_ros.backends.openai_api.troubles import Explainer
from vlm_ros.errors import BackendError, ModelError
from vlm_ros.tasks import Ticket

UNKNOWN = 'unknown'
_SHOWN = 500


def open_chat(
    model: str,
    *,
    base_url: str,
    auth_variable: str,
    timeout_s: float,
    rest_s: float,
    manner: Manner,
) -> tuple[Chat, str]:
    """Return a conversation with a server, and the revision of its model.

    Raises:
        BackendError: The server or the model cannot be used; the connection is closed then.
    """
    address = check_address(base_url)
    key = read_key(auth_variable, address)
    chat = Chat(Explainer(address, model, auth_variable, key, timeout_s), manner, rest_s)
    try:
        chat.model, revision = choose_model(chat, address, model)
    except BaseException:
        chat.close()
        raise
    return chat, revision


def choose_model(chat: Chat, address: str, model: str) -> tuple[str, str]:
    """Return the name of the model to use, and its revision as far as the server tells.

    Lists of models are not always whole: `transformers serve` lists what is in its cache and loads
    others too, and Ollama takes `llava` for `llava:latest`. So a model that is not listed is tried
    with one word, which also has the server load it.

    Raises:
        BackendError: The server cannot be used, has no such model, or has several and none is
            named.
    """
    try:
        served = _served(chat)
        if not model:
            model = _only(served, address)
        if model not in served:
            chat.model = model
            chat.ask([], 'Hello', ticket=Ticket(), max_tokens=1)
    except ModelError as error:
        raise BackendError(str(error)) from error
    return model, _revision(served.get(model, 0))


def _served(chat: Chat) -> dict[str, int]:
    try:
        return chat.models(Ticket())
    except TroubleError as error:
        if error.trouble.is_unknown_model:  # there is a server, but no such list
            return {}
        raise


def _only(served: dict[str, int], address: str) -> str:
    if len(served) == 1:
        return next(iter(served))
    if not served:
        raise BackendError(f'{address} lists no models; name the one to use as model')
    raise BackendError(
        f'{address} serves several models; name one as model: {", ".join(served)[:_SHOWN]}'
    )


def _revision(created: int) -> str:
    if created <= 0:
        return UNKNOWN
    try:
        return datetime.fromtimestamp(created, timezone.utc).strftime('created %Y-%m-%d')
    except (OverflowError, ValueError, OSError):
        return UNKNOWN
