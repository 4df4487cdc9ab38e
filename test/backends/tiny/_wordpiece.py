"""A tokenizer of the BERT kind with a vocabulary made here."""

import string
from typing import Any

from transformers import BertTokenizer

PLACES = {
    '[PAD]': 0,
    '[UNK]': 100,
    '[CLS]': 101,
    '[SEP]': 102,
    '[MASK]': 103,
    '.': 1012,
    '?': 1029,
}
"""Where BERT has them: Grounding DINO knows the ends of names by these numbers."""
VOCABULARY_SIZE = 1040
WORDS = """
a an and another at behind beside blue bottle can car cat chair coffee cup dog front holds in is
it light object of old on person red robot sees sits sleeps small stands table tea that the there
thing to traffic two wooden
""".split()


def bert_tokenizer() -> Any:
    """Return one that spells what is not among its words, and knows no script but Latin's."""
    letters = string.ascii_lowercase + string.digits
    pieces = [*letters, *(f'##{letter}' for letter in letters), *',!:;-()\'"', *WORDS]
    pieces = list(dict.fromkeys(pieces))
    free = [number for number in range(104, VOCABULARY_SIZE) if number not in PLACES.values()]
    return BertTokenizer(vocab={**PLACES, **dict(zip(pieces, free, strict=False))})
