"""Why boxes cannot tell, in words."""

from collections.abc import Sequence

from vlm_ros import lexicon
from vlm_ros.grounding.tallies import Tally
from vlm_ros.inflection import count_phrase, join_names, plural, singular, with_article
from vlm_ros.language.clauses import Condition, Thing


def numbered(thing: Thing) -> bool:
    """Tell whether it takes a number for granted, as `both dogs` does."""
    return thing.presupposed and thing.low > 1


def cannot_recognize(names: Sequence[str]) -> str:
    """Say that a detector has no way to look for names."""
    return f'cannot tell: this model cannot say whether there is {join_names(list(names), "or")}'


def cannot_describe(thing: Thing, count: int) -> str:
    """Say that a thing is in view and that nobody can tell whether it is as described."""
    if not count:
        return f'no box shows {with_article(thing.name)}'
    it_is = 'they are' if count > 1 else 'it is'
    kind = plural(thing.described) if count > 1 else with_article(thing.described)
    seen = f'there {are(count)} {amount(count, thing.name)} in view'
    return f'{seen}, but this model cannot tell whether {it_is} {kind}'


def why_open(thing: Thing, condition: Condition, counted: Tally) -> str:
    """Say in one line why boxes cannot tell."""
    found = counted.sighting.found
    if not len(found):
        return f'cannot tell: there may be {with_article(thing.name)} in view'
    several = len(found) > 1
    seen = f'there {are(len(found))} {amount(len(found), thing.name)} in view'
    it_is = 'they are' if several else 'it is'
    if not thing.plain:
        return cannot_describe(thing, len(found))
    if numbered(thing) and len(found) != thing.low:
        return f'{seen}, and {number_word(thing.low)} are spoken of'
    if condition.unchecked:
        doing = condition.unchecked.split(' ', 1)[0]
        finite = doing in lexicon.CERTAIN_VERBS and not lexicon.is_participle(doing)
        who = it_is.split(' ', 1)[0] if finite else it_is
        return f'{seen}, but this model cannot tell whether {who} {condition.unchecked}'
    if thing.presupposed and several and not thing.plural:
        return f'{seen}; it is not clear which is meant'
    if condition.relation is not None:
        return f'{seen}, but boxes cannot tell whether {it_is} {condition.text}'
    if condition.place is not None and len(counted.undecided):
        return f'{seen}, but not clearly {condition.place.text}'
    if thing.plural and thing.presupposed:
        return f'{seen}, and there may be one more of which it does not hold'
    return f'{seen}, and there may be more'


def number_word(count: int) -> str:
    """Say a number in words up to twelve."""
    return count_phrase(count, 'sheep').removesuffix(' sheep')


def amount(count: int, name: str) -> str:
    """Say how many as a sentence does: `a dog`, `two dogs`."""
    return with_article(singular(name)) if count == 1 else count_phrase(count, name)


def are(count: int) -> str:
    """Return the verb that goes with a number of things."""
    return 'are' if count > 1 else 'is'
