"""The tree: to each place, look, and say what can honestly be said."""

from collections.abc import Callable, Mapping

from geometry_msgs.msg import PoseStamped
from py_trees.behaviour import Behaviour
from py_trees.composites import Selector, Sequence

from patrol.leaves import GoTo, Report
from vlm_ros.behaviours import CheckStatement, FindObject
from vlm_ros.client import Outcome, VlmClient
from vlm_ros.results import Detections, Status, Verdict

STATEMENT = 'a person is lying on the floor'
LYING, PEOPLE = 'lying', 'people'
"""Keys of the blackboard: what the last look said of the statement, and of people at all."""


def alarm(lying: Outcome[Verdict]) -> str:
    """Say that somebody lies there, and how sure that is."""
    confidence = lying.result.confidence if lying.result else 0.0
    return f'ALARM: {STATEMENT} (confidence {confidence:.2f})'


def somebody(lying: Outcome[Verdict], people: Outcome[Detections]) -> str:
    """Say that there are people, and no more of their posture than is known."""
    count = len(people.result or ())
    who = 'a person' if count == 1 else f'{count} people'
    if lying.ok:  # and not true, or this branch would not have been reached
        return f'{who}, nobody lying on the floor'
    return f'{who}, posture unknown ({lying.message or lying.status.name})'


def nobody(people: Outcome[Detections]) -> str:
    """Say that nobody is there only where that is known."""
    if people.status is Status.NOTHING_FOUND:
        return 'nobody in view'
    return f'{"cannot tell" if people.looked else "could not look"}: {people.line}'


def look(place: str, client: VlmClient, say: Callable[[str], None]) -> Behaviour:
    """Return the branch that looks and reports.

    The first branch that succeeds reports: the statement is true; there are people at least; else
    the last, which always does.
    """
    lying = CheckStatement('somebody is lying there', client, STATEMENT, key=LYING)
    people = FindObject('somebody is there', client, 'person', key=PEOPLE)
    return Selector(
        f'look at {place}',
        memory=True,
        children=[
            Sequence('alarm', True, [lying, Report(place, [LYING], alarm, say)]),
            Sequence('people', True, [people, Report(place, [LYING, PEOPLE], somebody, say)]),
            Report(place, [PEOPLE], nobody, say),
        ],
    )


def patrol(
    client: VlmClient,
    places: Mapping[str, tuple[float, float]],
    drive: Callable[[PoseStamped], None],
    say: Callable[[str], None],
) -> Behaviour:
    """Return the whole tree; a round of it ends with SUCCESS.

    Args:
        client: Asks the nodes.
        places: Where to go, in metres on the map, by name and in turn.
        drive: Drives to a goal.
        say: Reports a line.
    """
    rounds = []
    for place, (x_m, y_m) in places.items():
        go = GoTo(place, x_m, y_m, drive)
        rounds.append(Sequence(place, True, [go, look(place, client, say)]))
    return Sequence('patrol', memory=True, children=rounds)
