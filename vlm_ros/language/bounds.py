"""How many things there must be, by the words before their name: `at least two`, `none of the`."""

from collections.abc import Sequence

from vlm_ros import lexicon

Bounds = tuple[int, int | None]
"""The least number and the most; None for no limit."""

_UNBOUND = frozenset(
    'another enough few less fewer more much many most about hundreds dozens number lot lots'
    ' plenty bunch crowd majority series groups pairs rows stacks piles only just exactly'.split()
)
_SEVERAL = frozenset(
    'several multiple couple pair group row stack pile line herd flock set collection'.split()
)
_DENIALS = frozenset('no neither nor'.split())
_DENIED = _DENIALS | lexicon.ARTICLES | {'more'}


def bounds_of(lead: Sequence[str], plural: bool) -> Bounds | None:
    """Return the least and the most that words such as `at least two` allow."""
    words = [word for word in lead if word not in lexicon.DEFINITES | {'all', 'any', 'some'}]
    count = len(words)
    while count and lexicon.number_value(words[count - 1]) is not None:
        count -= 1
    if count < len(words):
        number = lexicon.number_of(words[count:])
        return None if number is None else _limits(' '.join(words[:count]), number)
    if not _DENIALS.isdisjoint(words):
        return (0, 0) if _DENIED.issuperset(words) else None
    if 'both' in words:
        return (2, 2) if plural else (1, None)
    if 'pair' in words and not plural:
        return 1, None  # of scissors
    if words[:2] == ['a', 'few'] or not _SEVERAL.isdisjoint(words):
        return 2, None
    return None if _UNBOUND.intersection(words) else (1, None)  # `only a cup`, `many cups`


def _limits(bound: str, number: int) -> Bounds | None:
    """Return the limits that a number has after `at least`; None for none that can be failed."""
    limits: dict[str, Bounds] = {
        'at least': (number, None),
        'no less than': (number, None),
        'no fewer than': (number, None),
        'more than': (number + 1, None),
        'at most': (0, number),
        'no more than': (0, number),
        'less than': (0, number - 1),
        'fewer than': (0, number - 1),
    }
    exact = dict.fromkeys(('', 'a', 'exactly', 'only', 'just', 'precisely'), (number, number))
    low, high = (limits | exact).get(bound, (0, None))
    return None if (low, high) == (0, None) or (high is not None and high < 0) else (low, high)


def share_of(lead: Sequence[str]) -> Sequence[str] | None:
    """Return `two` of `two of the cars`; None where the words are not about some out of all."""
    if 'of' not in lead:
        return None
    share = lead[: lead.index('of')]
    counting = share and share[-1] not in lexicon.COLLECTIVES
    return share if counting else None


def bounds_of_share(lead: Sequence[str], share: Sequence[str]) -> Bounds | None:
    """Return how many out of all there must be; None for `most` and for `two of the three`."""
    inside = lead[len(share) + 1 :]
    if not lexicon.DEFINITES.issuperset(inside):
        return None
    if not {'none', 'neither'}.isdisjoint(share):
        return 0, 0
    return (1, None) if list(share) == ['one'] else bounds_of(share, plural=True)
