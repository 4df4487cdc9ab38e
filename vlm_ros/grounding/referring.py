"""Finding the one object that an expression refers to."""

from vlm_ros.grounding.attributes import Judge
from vlm_ros.grounding.sightings import Observer
from vlm_ros.phrases import check_text
from vlm_ros.results import Reference, Status


def locate(expression: str, observer: Observer, judge: Judge) -> Reference:
    """Find the one object that an expression refers to.

    Raises:
        QuestionError: The expression is blank or too long.
    """
    check_text(expression, 'expression')
    observer.ticket.check()
    return Reference(Status.UNSURE, message='cannot tell: nothing was understood')
