"""Whether a reading takes up every word of a text that turns its meaning round.

The forms look for what they know and pass over the rest. A negation, a number, a quantifier, a
condition or a second clause that no part of a reading stands for would be answered as if it had
not been said, so such a text is left open.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
import re

from vlm_ros import lexicon
from vlm_ros.language.clauses import Thing
from vlm_ros.language.meaning import Kind, Question

# Nothing that boxes are asked stands for these.
_BEYOND = re.compile(
    r'\b(?:if|unless|otherwise|except|excepting|excluding|provided|assuming|supposing|suppose'
    r'|instead|when|whenever|whereas|although|though|because|until|while|since|then|lest|regardless|barring'
    r'|apart from|other than|rather than|as long as|in case|anything but|all but|nothing but'
    r'|but not|or else|even though|as well as|along with|in addition|respectively|vice versa'
    r'|not (?:a single|one|even)|there not any|unlike|ago|yesterday|tomorrow'
    r'|tonight|earlier|later|soon|used to|supposed to|going to|about to|likely|unlikely'
    r'|impossible|untrue|false|wrong|doubtful|maybe|perhaps|possibly|probably|presumably'
    r'|allegedly|supposedly|sometimes|usually|normally|rarely|seldom|hardly|barely|scarcely'
    r'|nearly|almost|approximately|roughly|around \d+|thrice|nowhere|elsewhere|everywhere'
    r'|(?:last|past|previous) (?:\S+ ){0,3}?(?:seconds?|minutes?|hours?|days?|weeks?|ms)'
    r'|(?:lack|absence|shortage|proof|hints?|(?<!any )(?:signs?|traces?|evidence)) of'
    r'|outnumbers?|exceeds?|one another|the other|(?<!^what )(?<!^who )else|exclusively|solely'
    r'|merely|minus)\b'
)
_CLAUSE = re.compile(
    r'(?:,|\b(?:and|but|or|so)) (?:then )?(?:is|are|was|were|does|do|did|has|have|can|there|what'
    r'|where|who|how|why|tell|say|show|find|count|he|she|they|i|we|you|its?|not)\b'
)
_DETERMINER = rf'(?:{"|".join(sorted(lexicon.DETERMINERS))}|\d+)'
_DETERMINED = re.compile(rf'{_DETERMINER} ')
_ALTERNATIVE = re.compile(rf'\bor {_DETERMINER}\b')
_ADDITION = re.compile(rf'(?:,|\b(?:and|plus)) {_DETERMINER}\b')
_STATEMENT = re.compile(
    rf'(?:,|\b(?:and|plus)) .*\b(?:{"|".join(sorted(lexicon.AUXILIARIES - {"not"}))})\b'
)
_NEGATIONS = frozenset('no not never none nor neither without lacking lacks nowhere'.split())
_NO_DENIAL = re.compile(r'\bno(?= (?:more|less|fewer) than )')
_ASKED = re.compile(rf'^(?:{"|".join(sorted(lexicon.AUXILIARIES - {"not"}))}) (?:\w+ )?not\b')
"""`isn't there a dog?` asks the same as `is there a dog?`."""
_ALL = re.compile(r'\b(?:all|every|each|both)\b')
_NOT_THERE = frozenset(
    'missing lost absent gone invisible hidden imaginary unseen nonexistent'.split()
)


def overlooks(text: str, question: Question) -> bool:
    """Tell whether a reading leaves out a word that changes what a text means.

    Args:
        text: As `wording.core_of` leaves it.
        question: What was read.
    """
    if question.kind in (Kind.OPEN, Kind.REFUSED):
        return False
    return (
        _BEYOND.search(text) is not None
        or _CLAUSE.search(text) is not None
        or _goes_on(question)
        or _lacks_negation(text, question)
        or _lacks_number(text, question)
        or _limits_in_vain(question)
        or _lacks_all(text, question)
        or _speaks_of_anything(question)
        or _speaks_of_the_unseen(question)
    )


def _goes_on(question: Question) -> bool:
    """Tell whether a condition that boxes cannot show says more than one thing, or of others."""
    unchecked = question.condition.unchecked
    if unchecked.split(' ', 1)[0] in lexicon.PRONOUNS:
        return True  # `Rosie is there a dog` says nothing of Rosie
    if _DETERMINED.match(unchecked) and not all(thing.presupposed for thing in question.things):
        return True  # `a dog is an animal`
    if question.condition.negated and not lexicon.AUXILIARIES.isdisjoint(unchecked.split()[1:]):
        return True  # `the box that is not red has been opened` says which box it is
    # `no dog on the left and a cat on the right` is not true where there is no dog alone.
    limited = any(thing.high is not None for thing in question.things)
    patterns = (_ALTERNATIVE, _STATEMENT, *((_ADDITION,) if limited else ()))
    return any(pattern.search(unchecked) for pattern in patterns)


def _things(question: Question) -> tuple[Thing, ...]:
    return (*question.things, *question.condition.references)


def _lacks_negation(text: str, question: Question) -> bool:
    said = [word for word in _NO_DENIAL.sub('', text).split() if word in _NEGATIONS]
    if 'neither' in said:
        said = [word for word in said if word != 'nor']
    condition = question.condition
    if len(said) > 1:
        # What denies a denial is read by nobody; `no dogs and no cats` denies each of them.
        denied = sum(thing.high == 0 for thing in question.things)
        return condition.negated or denied != len(said)
    kept = question.negated or said[0] in condition.unchecked.split() if said else True
    return said == ['nor'] or (not kept and _ASKED.match(text) is None)


def _lacks_number(text: str, question: Question) -> bool:
    words = question.condition.unchecked.split()
    limits = {(thing.low, thing.high) for thing in _things(question)}
    known = {limit for pair in limits - {(1, None)} for limit in pair}
    known |= {0} if (1, None) in limits else set()  # `more than zero`
    return any(
        number is None or known.isdisjoint((number - 1, number, number + 1))
        for row in _numbers(text)
        if not set(row) <= {'one', '1', *words}
        for number in [lexicon.number_of(row)]
    )


def _numbers(text: str) -> Iterator[Sequence[str]]:
    for counts, row in groupby(text.split(), lambda word: lexicon.number_value(word) is not None):
        if counts:
            yield tuple(row)


def _limits_in_vain(question: Question) -> bool:
    """Tell whether things have numbers that only a yes or a no could do justice to."""
    if question.kind is Kind.EXISTENCE:
        return False
    limits = {(thing.low, thing.high) for thing in question.things} - {(1, None)}
    return any(question.kind is Kind.CHOICE or not low for low, _ in limits)


def _lacks_all(text: str, question: Question) -> bool:
    said = set(_ALL.findall(text)) - set(question.condition.unchecked.split())
    if not said or question.kind is not Kind.EXISTENCE:
        return False
    # `all the dogs are not on the left` is said of none of them and of not all of them.
    if not _NEGATIONS.isdisjoint(text.split()):
        return True
    pair = said == {'both'} and (len(question.things) == 2 or question.things[0].low == 2)
    return not pair and not any(thing.presupposed and thing.plural for thing in _things(question))


def _speaks_of_anything(question: Question) -> bool:
    """Tell whether it says more of `a thing` than that one is there: no vocabulary is whole."""
    told = question.kind is not Kind.EXISTENCE or question.condition.negated
    return any(
        thing.generic and (told or thing.presupposed or not thing.plain)
        for thing in question.things
    )


def _speaks_of_the_unseen(question: Question) -> bool:
    """Tell whether it is about what is missing: nobody finds a box of that."""
    said = {*question.condition.unchecked.split(), *question.condition.attributes}
    for thing in _things(question):
        said.update(thing.described.split())
    return not _NOT_THERE.isdisjoint(said)
