"""What a question or a statement means, as far as it was understood."""

from dataclasses import dataclass, field, replace
import enum

from vlm_ros.language.clauses import Condition, Thing


class Kind(enum.Enum):
    """What sort of answer is asked for."""

    EXISTENCE = 'existence'
    """Yes or no: is something there, at a place, so many times, as it is said to be."""
    CHOICE = 'choice'
    """Which of the things it is, or which of the options: `is it a cat or a dog?`."""
    COUNT = 'count'
    ATTRIBUTE = 'attribute'
    """What an attribute of the things is: `what colour is the car?`."""
    COMPARISON = 'comparison'
    """How two things compare: `are there more dogs than cats?`."""
    LOCATION = 'location'
    INVENTORY = 'inventory'
    """What is there, in all or at a place."""
    OPEN = 'open'
    """Anything else."""
    REFUSED = 'refused'
    """An order to disregard the image, or a question that no image answers."""


@dataclass(frozen=True)
class Comparison:
    """How the first thing is said to compare with the second.

    Attributes:
        measure: `count`, `size`, `width` or `height`.
        operator: `>`, `<` or `==`; where it is asked which, the one wanted is the one of which it
            holds.
    """

    measure: str
    operator: str


@dataclass(frozen=True)
class Question:
    """What a text asks for.

    Attributes:
        kind: What sort of answer.
        things: What it asks about; for an open question, all that it names.
        either: Whether one of the things is enough for a yes.
        condition: What is said of the things.
        yes_no: Whether yes or no answers it; a comparison without it asks which.
        english: Whether the text reads as English at all.
        attribute: What is asked of the things: `colour`, `size`, `material`, `shape`; only for
            `ATTRIBUTE`.
        options: The values that a choice is between, `red` and `blue` in `is the car red or
            blue?`; empty where it is between the things.
        comparison: How the two things compare; only for `COMPARISON`.
        window_s: How far back the question reaches, as in `in the last 5 seconds`; 0 for the
            image alone.
        unseen: Whether it is refused because no image can show the answer (`what time is it in
            Tokyo?`), rather than because it orders one. Whoever answers without a guard may pass
            it on.
    """

    kind: Kind
    things: tuple[Thing, ...] = ()
    either: bool = False
    condition: Condition = field(default_factory=Condition)
    yes_no: bool = False
    english: bool = True
    attribute: str = ''
    options: tuple[str, ...] = ()
    comparison: Comparison | None = None
    window_s: float = 0.0
    unseen: bool = False

    @property
    def negated(self) -> bool:
        """Whether it asks for the opposite of something, so that yes and no would mislead."""
        return self.condition.negated or any(thing.high == 0 for thing in self.things)

    def as_yes_no(self) -> 'Question':
        """Read the question as a statement that holds or does not."""
        kind = self.kind
        if kind is Kind.CHOICE and not self.options:
            kind = Kind.EXISTENCE
        elif kind in (Kind.ATTRIBUTE, Kind.CHOICE, Kind.COMPARISON) and not self.yes_no:
            kind = Kind.OPEN  # `which is larger?` holds no more than it fails
        return replace(self, kind=kind, yes_no=True)
