"""The classes of a dataset, read from the data files beside this module."""

from dataclasses import dataclass
import difflib
import functools
from importlib import resources
from typing import Any

from vlm_ros.errors import VocabularyError

NAMES = ('kitti', 'nuscenes', 'bdd100k', 'carla', 'coco')


@dataclass(frozen=True)
class LabelClass:
    """One class.

    Attributes:
        label: As the dataset writes it.
        means: Concepts, the one it stands for first; the others are those it also takes in.
        prompts: What an open-vocabulary detector is asked for; empty where it cannot be asked.
        aliases: Other spellings that name it.
        number: The dataset's own number of it; None where it has none.
    """

    label: str
    means: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    number: int | None = None


@dataclass(frozen=True)
class LabelSet:
    """The classes of a dataset, in its order.

    Attributes:
        name: What `named` takes.
        title: What it is, and who published it.
        source: Where the names are from.
        classes: One or more.
    """

    name: str
    title: str
    source: str
    classes: tuple[LabelClass, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(entry.label for entry in self.classes)

    def prompts(self) -> dict[str, str]:
        """Return what to look for, each with the label that it is found as."""
        found: dict[str, str] = {}
        for entry in self.classes:
            for prompt in entry.prompts:
                found.setdefault(prompt, entry.label)
        return found

    def find(self, label: str) -> LabelClass:
        """Return the class that a label or another spelling of it names.

        Raises:
            VocabularyError: There is none; the message has near names.
        """
        wanted = plain_name(label)
        spellings = {
            plain_name(spelling): entry
            for entry in reversed(self.classes)
            for spelling in (*entry.aliases, entry.label)
        }
        if wanted in spellings:
            return spellings[wanted]
        raise VocabularyError(
            f'{self.name} has no class {label!r}{_near(wanted, spellings)}; '
            f'its classes are {", ".join(self.labels)}'
        )


def names() -> tuple[str, ...]:
    """Return the sets there are."""
    return NAMES


@functools.cache
def named(name: str) -> LabelSet:
    """Return a set by its name, in any case.

    Raises:
        VocabularyError: There is none of that name; the message has near names.
    """
    key = name.strip().casefold()
    if key not in NAMES:
        raise VocabularyError(
            f'there is no set of labels {name!r}{_near(key, NAMES)}; there are {", ".join(NAMES)}'
        )
    content = load(key)
    classes = tuple(
        LabelClass(
            entry['label'],
            tuple(entry['means']),
            tuple(entry['prompts']),
            tuple(entry.get('aliases', ())),
            entry.get('id'),
        )
        for entry in content['classes']
    )
    return LabelSet(key, content['title'], content['source'], classes)


def load(stem: str) -> Any:
    """Return what a data file of this package holds."""
    import yaml

    file = resources.files('vlm_ros.vocabularies') / f'{stem}.yaml'
    return yaml.safe_load(file.read_text(encoding='utf-8'))


def plain_name(label: str) -> str:
    """Return a name as names are compared: case, `_` and spaces do not matter."""
    return ' '.join(label.casefold().replace('_', ' ').split())


def _near(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f'; did you mean {close[0]!r}?' if close else ''
