"""A reader of the JSON that models write.

Models put JSON between sentences and into Markdown fences, quote with apostrophes, forget or add
commas, repeat keys, and stop in the middle. `json.loads` refuses all of that, and a retry of it at
every bracket takes quadratic time. This reader passes over the text once, keeps what was closed
and never fails. It has no recursion, so depth costs nothing either.
"""

from dataclasses import dataclass, field
import re
from typing import TypeAlias

JsonValue: TypeAlias = str | float | list['JsonValue'] | dict[str, 'JsonValue'] | None

_OPENING = re.compile(r'[\[{]')
_TOKEN = re.compile(
    r"""
      (?P<space>   [\s,;]+ )
    | (?P<mark>    [\[\]{}:] )
    | (?P<fence>   ``` )
    | (?P<string>  "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
    | (?P<quote>   ["'] [^\n]* )         # not closed on its line: the line says nothing more
    | (?P<number>  [-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)? (?![\w.]) )
    | (?P<word>    [^\s,;:\[\]{}"'`]+ | . )
    """,
    re.VERBOSE,
)
_ESCAPES = {'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f'}
_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|.)', re.DOTALL)
_THOUGHTS_END = '</think>'


@dataclass(frozen=True)
class LooseJson:
    """What was closed in a text.

    Attributes:
        objects: Every object at every depth, in the order in which they close.
        lists: Lists that stand in no other list and in no object.
        is_complete: False where something was still open at the end.
    """

    objects: tuple[dict[str, JsonValue], ...]
    lists: tuple[list[JsonValue], ...]
    is_complete: bool


@dataclass
class _Frame:
    value: list[JsonValue] | dict[str, JsonValue]
    key: str | None = None
    word: str | None = None

    def put(self, value: JsonValue) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.key is not None:
            self.value[self.key] = value
            self.key = self.word = None
        elif isinstance(value, str):
            self.word = value  # a key, if a colon follows


@dataclass
class _Reading:
    objects: list[dict[str, JsonValue]] = field(default_factory=list)
    lists: list[list[JsonValue]] = field(default_factory=list)
    open: list[_Frame] = field(default_factory=list)
    broke_off: bool = False

    def take(self, kind: str, text: str) -> None:
        if kind == 'mark':
            self._mark(text)
        elif kind == 'fence':
            self.broke_off = self.broke_off or bool(self.open)
            self.open.clear()
        elif kind == 'quote':
            self.broke_off = True
        elif kind == 'string':
            self.open[-1].put(_unescaped(text[1:-1]))
        elif kind == 'number':
            # A number of thousands of digits is a loop, and `float` would take its time.
            self.open[-1].put(float(text.replace('_', '')) if len(text) <= 40 else float('nan'))
        elif kind == 'word':
            self.open[-1].put({'null': None, 'None': None}.get(text, text))

    def _mark(self, mark: str) -> None:
        if mark == '{':
            self.open.append(_Frame({}))
        elif mark == '[':
            self.open.append(_Frame([]))
        elif mark == ':':
            top = self.open[-1]
            top.key, top.word = top.word, None
        else:
            kind: type = dict if mark == '}' else list
            if any(isinstance(frame.value, kind) for frame in self.open[-3:]):
                while not isinstance(self.open[-1].value, kind):
                    self._close()  # what was opened inside and forgotten
                self._close()

    def _close(self) -> None:
        value = self.open.pop().value
        if isinstance(value, dict):
            self.objects.append(value)
        elif not self.open:
            self.lists.append(value)
        if self.open:
            self.open[-1].put(value)


def read_loose_json(text: str) -> LooseJson:
    """Read what JSON there is in a text, in one pass; prose around it is skipped."""
    position = text.rfind(_THOUGHTS_END) + len(_THOUGHTS_END) if _THOUGHTS_END in text else 0
    reading = _Reading()
    while position < len(text):
        if not reading.open:
            opening = _OPENING.search(text, position)
            if opening is None:
                break
            position = opening.start()
        token = _TOKEN.match(text, position)
        if token is None:  # a newline in an odd place
            position += 1
            continue
        position = token.end()
        reading.take(token.lastgroup or '', token.group())
    return LooseJson(
        tuple(reading.objects), tuple(reading.lists), not (reading.open or reading.broke_off)
    )


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_escape, text) if '\\' in text else text


def _escape(match: re.Match[str]) -> str:
    what = match.group(1)
    if len(what) == 5:
        # Half of a surrogate pair is no character, and would fail wherever the text is sent to.
        return chr(int(what[1:], 16)).encode('utf-8', 'replace').decode('utf-8')
    return _ESCAPES.get(what, what)
