"""Words of a text, and where they stand in it."""

import re
from typing import NamedTuple

# A word is what is no space, control character or punctuation. `\w` would break the words of
# scripts whose vowels are combining marks (Devanagari, Thai).
_MARKS = (
    r'\s\x00-\x1f\x7f!-/:-@\[-`{-~\xa1\xab\xb7\xbb\xbf'
    r'\u055a-\u055f\u0589\u060c\u061b\u061f\u06d4\u0964\u0965'
    r'\u2010-\u2027\u2030-\u205e\u3000-\u3003\u3008-\u3011\u3014-\u301f'
    r'\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65'
)
_WORD = re.compile(rf"[^{_MARKS}]+(?:[-'’][^{_MARKS}]+)*|&")
_TAILS = ("n't", "'s", "'re", "'m", "'ve", "'ll", "'d")
_STEMS = {"can't": 'can', "won't": 'will', "shan't": 'shall', "ain't": 'is'}


class Token(NamedTuple):
    """A word in lower case, where it stands, and whether punctuation comes before it."""

    word: str
    start: int
    end: int
    after_mark: bool


def tokens(text: str) -> list[Token]:
    """Split a text into words.

    A contraction gives two: `isn't` gives `is` and `not`, `dog's` gives `dog` and `'s`.
    """
    found: list[Token] = []
    end = 0
    for match in _WORD.finditer(text):
        start = match.start()
        after_mark = bool(text[end:start].strip())
        end = match.end()
        word = match.group().lower().replace('’', "'")
        tail = next((tail for tail in _TAILS if word.endswith(tail) and word != tail), '')
        if not tail:
            found.append(Token(word, start, end, after_mark))
            continue
        stem = _STEMS.get(word, word[: -len(tail)])
        middle = end - len(tail)
        found.append(Token(stem, start, middle, after_mark))
        found.append(Token('not' if tail == "n't" else tail, middle, end, False))
    return found
