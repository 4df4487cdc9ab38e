"""The catalogue as tables for people."""

from collections.abc import Sequence

from vlm_ros.backends.catalogue.card import ModelCard

BEGIN = '<!-- Made by `python -m vlm_ros.backends.catalogue docs/models.md`; not by hand. -->'
END = '<!-- The end of what is made. -->'

_HEADER = (
    '| model | tasks | size | memory | licence of weights; of code | revision | notes |\n'
    '| --- | --- | --- | --- | --- | --- | --- |'
)
_SAFETENSORS = {True: '', False: ', not safetensors', None: ', safetensors?'}


def markdown(cards: Sequence[ModelCard]) -> str:
    """Return a heading and a table for each backend, in the order of the cards."""
    backends = dict.fromkeys(card.backend for card in cards)
    return '\n\n'.join(
        '\n'.join(
            (
                f'### `{backend}`\n',
                _HEADER,
                *(_row(card) for card in cards if card.backend == backend),
            )
        )
        for backend in backends
    )


def replaced(text: str, cards: Sequence[ModelCard]) -> str:
    """Return a document with the tables between its marks made anew.

    Raises:
        ValueError: The document lacks the marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f'the document needs the lines {BEGIN!r} and {END!r}')
    return f'{before}{BEGIN}\n\n{markdown(cards)}\n\n{END}{after}'


def _row(card: ModelCard) -> str:
    size = '?' if card.parameters_m is None else f'{card.parameters_m:,.0f} M'
    memory = '?' if card.memory_mb is None else f'{card.memory_mb / 1000:.1f} GB'
    terms = f'; **{card.terms}**' if card.terms else ''
    revision = f'`{card.revision[:12]}`' if card.revision else 'resolved once'
    return (
        f'| `{card.model_id}`: {card.architecture} ({_paper(card.paper)}) '
        f'| {", ".join(card.tasks)} | {size} | {memory} '
        f'| {card.weights_licence}; {card.code_licence}{terms} '
        f'| {revision}{_SAFETENSORS[card.safetensors]} | {card.notes} |'
    )


def _paper(paper: str) -> str:
    if paper.startswith('https://'):
        return f'[page]({paper})'
    return f'[{paper}](https://arxiv.org/abs/{paper})'
