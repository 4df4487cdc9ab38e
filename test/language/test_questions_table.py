"""What questions, statements and expressions mean: every row of `questions.tsv`.

The columns are the text, the kind (`yes` where yes or no answers it), the things, the condition
and what else there is. A thing is written `[attributes] name`, with `!` where it is taken for
granted and `=2`, `>=2`, `<=2` or `no` for its number; a condition as `left of table!`, `@on the
left` for a place, `is red` for attributes and `?wearing a hat {hat}` for what boxes cannot show
and the things it needs.
"""

from pathlib import Path

import pytest

from vlm_ros.language.questions import Kind, parse

TABLE = Path(__file__).with_name('questions.tsv')


def rows():
    category = ''
    for line in TABLE.read_text(encoding='utf-8').splitlines():
        if line.startswith('#'):
            category = line.removeprefix('#').strip()
        elif line:
            text, *meaning = line.split('\t')
            yield pytest.param(text, [*meaning, '', '', ''][:4], id=f'{category}: {text}')


def shown_thing(thing):
    attributes = f'[{", ".join(thing.attributes)}] ' if thing.attributes else ''
    inside = thing.described.partition(' of ')[2]
    name = attributes + thing.name + (f' (of {inside})' if inside else '')
    name += '!' if thing.presupposed else ''
    if (thing.low, thing.high) == (0, 0):
        return f'no {name}'
    if thing.high is not None:
        return f'{name}={thing.low}' if thing.low == thing.high else f'{name}<={thing.high}'
    return f'{name}>={thing.low}' if thing.low > 1 else name


def shown_condition(condition):
    references = ', '.join(map(shown_thing, condition.references))
    parts = []
    if condition.place is not None:
        parts.append(f'@{condition.place.text}')
    if condition.relation is not None:
        parts.append(f'{condition.relation.value} {references}')
    elif condition.attributes:
        parts.append(f'is {", ".join(condition.attributes)}')
    elif condition.unchecked:
        parts.append(f'?{condition.unchecked}' + (f' {{{references}}}' if references else ''))
    return ('not ' if condition.negated else '') + ' '.join(parts)


def shown(question):
    kind = 'foreign' if not question.english else question.kind.value
    if question.unseen:
        kind += ' unseen'
    if question.yes_no and question.kind is not Kind.EXISTENCE:
        kind += ' yes'
    comparison = question.comparison
    more = [
        question.attribute,
        ' or '.join(question.options),
        f'{comparison.measure} {comparison.operator}' if comparison else '',
        f'{question.window_s:g} s' if question.window_s else '',
    ]
    return [
        kind,
        (' or ' if question.either else ', ').join(map(shown_thing, question.things)),
        shown_condition(question.condition),
        '; '.join(part for part in more if part),
    ]


@pytest.mark.parametrize(('text', 'meaning'), list(rows()))
def test_table(text, meaning):
    question = parse(text)
    assert shown(question) == meaning
    assert question.yes_no or question.kind is not Kind.EXISTENCE
    assert question.condition.unchecked or not question.condition.attributes


@pytest.mark.parametrize(('text', 'meaning'), list(rows()))
def test_table_does_not_mind_case_and_spaces(text, meaning):
    assert shown(parse(text.upper())) == meaning
    assert shown(parse(f' {text}\n'.replace(' ', '\t '))) == meaning
