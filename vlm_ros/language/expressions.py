"""What a referring expression says: a name, and what tells the one that is meant from the others.

`the second red car from the left`, `the cup on the table next to the laptop`, `the one nearest
the door`.
"""

from dataclasses import dataclass

from vlm_ros import lexicon
from vlm_ros.inflection import join_names, plural
from vlm_ros.language.things import Thing
from vlm_ros.ranking import Order
from vlm_ros.spatial import Place, Relation

_OF_ITSELF = frozenset('with without of in on like'.split())
_PLACES = lexicon.POSITIONS | lexicon.COLLECTIVES


@dataclass(frozen=True)
class Rank:
    """Which one in an order.

    Attributes:
        order: Of what.
        number: 1 for the first, 2 for the second; 0 for the one in the middle.
        references: From what distances are measured; empty for other orders.
    """

    order: Order
    number: int = 1
    references: tuple['Expression', ...] = ()


@dataclass(frozen=True)
class Link:
    """How the thing stands to others."""

    relation: Relation
    references: tuple['Expression', ...]
    negated: bool = False


@dataclass(frozen=True)
class Clause:
    """What only somebody who sees the thing can judge.

    Attributes:
        text: As `wearing a hat` or `with a red bag`.
        needed: What cannot be missing where it holds.
    """

    text: str
    needed: tuple[Thing, ...] = ()

    @property
    def by_itself(self) -> bool:
        """Whether a picture of the thing alone shows it, as none does `in the back row`."""
        words = self.text.removeprefix('not ').split()
        elsewhere = words[0] in lexicon.PREPOSITIONS - _OF_ITSELF or words[:2] == ['of', 'the']
        return not elsewhere and _PLACES.isdisjoint(words)


@dataclass(frozen=True)
class Expression:
    """What an expression says.

    Attributes:
        thing: What it is called.
        attributes: How it is: `red`.
        rank: Which one it is in an order.
        place: The part of the picture that it is in.
        links: How it stands to other things.
        clauses: What else is said of it.
    """

    thing: Thing
    attributes: tuple[str, ...] = ()
    rank: Rank | None = None
    place: Place | None = None
    links: tuple[Link, ...] = ()
    clauses: tuple[Clause, ...] = ()

    @property
    def things(self) -> tuple[Thing, ...]:
        """All that has to be looked for."""
        own = () if self.thing.generic else (self.thing,)
        inner = [thing for expression in self.references for thing in expression.things]
        needed = [thing for clause in self.clauses for thing in clause.needed]
        return (*own, *inner, *needed)

    @property
    def references(self) -> tuple['Expression', ...]:
        """What it refers to."""
        linked = [reference for link in self.links for reference in link.references]
        return (*linked, *(self.rank.references if self.rank else ()))

    @property
    def uncounted(self) -> bool:
        """Whether it counts things without a side to begin from."""
        own = self.rank is not None and self.rank.order is Order.ANY
        return own or any(reference.uncounted for reference in self.references)

    @property
    def name(self) -> str:
        """The name with the attributes: `red car`."""
        name = plural(self.thing.name) if self.thing.plural else self.thing.name
        return ' '.join((*self.attributes, name))

    @property
    def text(self) -> str:
        """All that it says, in a few words: `red car left of the bus`."""
        parts = [self.name]
        parts += [clause.text for clause in self.clauses]
        parts += [self.place.text] if self.place else []
        for link in self.links:
            others = join_names([f'the {reference.text}' for reference in link.references])
            parts.append(f'{"not " if link.negated else ""}{link.relation.value} {others}')
        if self.rank is not None:
            number = {0: 'the middle one', 1: 'the first', -1: 'the last'}.get(
                self.rank.number, f'number {self.rank.number}'
            )
            parts.append(f'that is {number} {self.rank.order.value}')
        return ' '.join(parts)
