"""Answers in a sentence, to questions for the opposite of something.

To `is the door not open?` a bare yes would mean either. What is told is what the boxes show,
whichever way it was asked.
"""

from collections.abc import Sequence

from vlm_ros import lexicon
from vlm_ros.grounding.reasons import amount, number_word
from vlm_ros.grounding.tallies import Tally
from vlm_ros.inflection import count_phrase, join_names, plural, with_article
from vlm_ros.language.clauses import Condition, Thing
from vlm_ros.language.meaning import Question


def tell(question: Question, tallies: Sequence[Tally | None]) -> str:
    """Say what holds of each thing that a question asks about.

    Args:
        question: What was asked, and has been decided.
        tallies: Of each of its things; None for what anything would be.
    """
    things, condition = question.things, question.condition
    if any(thing.generic for thing in things):
        # Nothing is never said to be there.
        return f'there is something {_with_not(condition)}'.strip()
    counted = [(t, tally) for t, tally in zip(things, tallies, strict=True) if tally is not None]
    if condition.negated or _is_finite(condition) or any(thing.presupposed for thing in things):
        return join_names([_clause(thing, tally, condition) for thing, tally in counted])
    where = condition.text or 'in view'
    names = [amount(t.low, thing.name) if t.low else f'no {thing.name}' for thing, t in counted]
    return f'there {"are" if counted[0][1].low > 1 else "is"} {join_names(names)} {where}'


def alternatives(question: Question) -> tuple[str, str] | None:
    """Return what a question for the opposite of something is scored by; None for yes and no.

    Returns:
        What makes it a yes, and what makes it a no.
    """
    things, condition = question.things, question.condition
    if len(things) == 1 and things[0].high == 0 and condition.empty:
        return (
            f'there is no {things[0].described}',
            f'there is {with_article(things[0].described)}',
        )
    if len(things) == 1 and things[0].high == 0 and not condition.negated:
        predicate = _predicate(condition, False, True)
        if not things[0].generic and not things[0].presupposed:
            name = things[0].described
            return f'no {name} {predicate}', f'{with_article(name)} {predicate}'
    denied = condition.negated and not any(t.generic or t.high == 0 for t in things)
    if not denied:
        return None
    if all(thing.presupposed for thing in things):
        several = len(things) > 1 or things[0].plural
        names = [f'the {plural(t.name) if t.plural else t.name}' for t in things]
        subject = join_names(names)
        return (
            f'{subject} {_predicate(condition, several, False)}',
            f'{subject} {_predicate(condition, several, True)}',
        )
    if len(things) > 1 or things[0].low != 1:
        return None
    return (
        f'{with_article(things[0].name)} {_predicate(condition, False, False)}',
        f'every {things[0].name} {_predicate(condition, False, True)}',
    )


def _clause(thing: Thing, tally: Tally, condition: Condition) -> str:
    holding, failing = len(tally.sure), len(tally.rejected)
    if condition.negated:
        holding, failing = failing, holding
    if not holding and not failing:
        return f'there is no {thing.name} in view'
    if not thing.presupposed and not condition.negated:
        if holding:
            return f'{amount(holding, thing.name)} {_predicate(condition, holding > 1, True)}'
        return f'no {thing.name} {_predicate(condition, False, True)}'
    if not holding or not failing:
        count = holding or failing
        subject = f'the {thing.name if count == 1 else count_phrase(count, thing.name)}'
        return f'{subject} {_predicate(condition, count > 1, bool(holding))}'
    name = thing.name if holding == 1 else plural(thing.name)
    some = f'{number_word(holding)} {name} {_predicate(condition, holding > 1, True)}'
    verb = _predicate(condition, failing > 1, False).split(' ', 1)[0]
    return f'{some} and {number_word(failing)} {verb} not'


def _predicate(condition: Condition, several: bool, affirmed: bool) -> str:
    """Say `is not on the left`, `do wear a helmet`."""
    if _is_finite(condition):
        verb = 'do' if several else 'does'
    else:
        verb = 'are' if several else 'is'
    return f'{verb} {"" if affirmed else "not "}{condition.text}'


def _is_finite(condition: Condition) -> bool:
    """Tell whether it is `wear a helmet`, not `wearing a helmet`."""
    doing = condition.unchecked.split(' ', 1)[0]
    return doing in lexicon.CERTAIN_VERBS and not lexicon.is_participle(doing)


def _with_not(condition: Condition) -> str:
    return f'{"not " if condition.negated else ""}{condition.text or "in view"}'
