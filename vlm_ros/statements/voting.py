"""What the last votes agree on: k of n, with hysteresis.

One look at one image errs now and then, and a robot that acts on every look acts on the errors.
Here each image has a vote, and something holds once `agreeing` of the last `frames` votes say so.
It is left only when fewer than `release` of them do: as in O. H. Schmitt's trigger, the bar to get
out is lower than the bar to get in.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vlm_ros.errors import InputError

MAX_FRAMES = 1000
V = TypeVar('V', bound=Hashable)


@dataclass(frozen=True)
class Rule:
    """How many of how many votes decide.

    Attributes:
        agreeing: So many of the last `frames` votes have to agree; more than half of `frames`, or
            two sides could win at once.
        frames: How many votes count, the newest ones; 1 to `MAX_FRAMES`.
        release: What holds is left when fewer votes say so; 1 to `agreeing`. None for `agreeing`,
            which is no hysteresis.

    Raises:
        InputError: The limits contradict each other.
    """

    agreeing: int = 1
    frames: int = 1
    release: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= MAX_FRAMES:
            raise InputError(f'frames must be 1 to {MAX_FRAMES}, got {self.frames}')
        least = self.frames // 2 + 1
        if not least <= self.agreeing <= self.frames:
            raise InputError(
                f'agreeing must be more than half of the {self.frames} frames and not more than '
                f'all, {least} to {self.frames}, got {self.agreeing}'
            )
        if self.release is not None and not 1 <= self.release <= self.agreeing:
            raise InputError(
                f'release must be 1 to {self.agreeing}, the number of agreeing frames, '
                f'got {self.release}'
            )

    @property
    def keeping(self) -> int:
        """How many votes keep what holds."""
        return self.agreeing if self.release is None else self.release


def decide(rule: Rule, held: V, votes: Sequence[V], undecided: V) -> V:
    """Say what holds after one more vote.

    Of the last `rule.frames` votes, the first row that fits decides:

    ==============================================  ==============
    votes                                           what holds now
    ==============================================  ==============
    for `held`: `release` or more                   `held`
    for one value: `agreeing` or more               that value
    for none so many                                `undecided`
    ==============================================  ==============

    `undecided` is never held on to, so that whatever reaches `agreeing` replaces it at once. From
    one value to another it may go without `undecided` between. No two values can have `agreeing`
    votes at once.

    How steady that is: once entered, a value holds for at least `agreeing` - `release` + 1 votes
    (the one that brought it not counted). Votes that alternate between two values change the
    outcome at most once, where `release` is at most half of `frames` or `agreeing` more than half
    of `frames` + 1; frames=5, agreeing=3, release=2 is steady, release=3 is not.

    Args:
        rule: How many of how many.
        held: What held before this vote.
        votes: All votes so far, the newest last; at least one.
        undecided: What holds where nothing else does.
    """
    counts = Counter(votes[-rule.frames :])
    if held != undecided and counts[held] >= rule.keeping:
        return held
    value, count = counts.most_common(1)[0]
    return value if count >= rule.agreeing else undecided


def is_settled(rule: Rule, votes: Sequence[V], undecided: V) -> bool:
    """Whether votes decide, however those would be that are left of `rule.frames`.

    Args:
        rule: How many of how many.
        votes: Those so far, `rule.frames` at most.
        undecided: Votes for it count for nothing.
    """
    most = max(Counter(vote for vote in votes if vote != undecided).values(), default=0)
    left = rule.frames - len(votes)
    return most >= rule.agreeing or most + left < rule.agreeing
