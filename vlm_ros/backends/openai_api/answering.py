"""Replies of a model as results."""

from vlm_ros.backends.openai_api.replies import Reply
from vlm_ros.errors import ModelError
from vlm_ros.results import Answer, Caption, Status

UNTOLD = 0.5
"""The score of a box, which no such model tells, and the confidence in an answer where the server
tells no probabilities: neither believed nor doubted."""
CANNOT_TELL = 'cannot tell'
CAPTION_PROMPT = 'Describe the image in one sentence.'
FRAMES_PROMPT = 'These images follow each other in time. Describe what happens in one sentence.'
_WAYS_TO_ABSTAIN = (CANNOT_TELL, "can't tell", 'i cannot tell', "i can't tell")


def prompt_answer(question: str) -> str:
    """Ask a question that has no fixed answers."""
    return f'{question}\nAnswer briefly. If it cannot be seen, answer exactly: {CANNOT_TELL}.'


def confidence_of(reply: Reply) -> float:
    """Return the mean probability of the tokens, or `UNTOLD`."""
    return UNTOLD if reply.probability is None else reply.probability


def refusal_of(reply: Reply) -> str:
    """Say in one line why the model refuses; empty where it does not."""
    if reply.refusal:
        return f'the model refuses: {" ".join(reply.refusal.split())[:200]}'
    if reply.finish == 'content_filter':
        return "the server's content filter stopped the answer"
    return ''


def said(reply: Reply) -> str:
    """Return what the model said.

    Raises:
        ModelError: It said nothing.
    """
    if not reply.text:
        at_limit = ' within max_tokens; allow more of them' if reply.was_cut else ''
        raise ModelError(f'the model answered nothing{at_limit}')
    return reply.text


def as_caption(reply: Reply) -> Caption:
    """Make a caption."""
    if refusal := refusal_of(reply):
        return Caption(reply.text or refusal, 0.0, Status.UNSURE, refusal)
    return Caption(said(reply), confidence_of(reply), message=_cut(reply))


def as_answer(reply: Reply) -> Answer:
    """Make an answer to a question that has no fixed ones."""
    if refusal := refusal_of(reply):
        return Answer(Status.UNSURE, message=refusal)
    text = said(reply)
    if text.casefold().replace('’', "'").startswith(_WAYS_TO_ABSTAIN):
        return Answer(Status.UNSURE, message='the model says that it cannot tell')
    return Answer(Status.OK, text, confidence_of(reply), message=_cut(reply))


def as_choice(reply: Reply, index: int | None, choices: tuple[str, ...]) -> Answer:
    """Make an answer that is one of the choices, where the reply is one."""
    if refusal := refusal_of(reply):
        return Answer(Status.UNSURE, message=refusal)
    if index is None:
        text = said(reply)[:100]
        return Answer(
            Status.UNSURE, message=f'the model answered {text!r}, which is none of the choices'
        )
    return Answer(Status.OK, choices[index], confidence_of(reply))


def _cut(reply: Reply) -> str:
    return 'the answer was cut off at max_tokens' if reply.was_cut else ''
