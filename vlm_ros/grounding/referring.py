"""Finding the one object that an expression refers to.

What bears the name is looked for; what tells the one that is meant from the others (attributes,
places, relations, orders) is held against each box of it. An expression with `the` says that one
thing fits it, so where one surely does, others that may do not matter. Where none surely does, or
several do, the candidates are what can be said.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vlm_ros import boxes, lexicon, spatial
from vlm_ros.grounding import reasons, tallies
from vlm_ros.grounding.attributes import Judge, Opinion, UNDECIDED
from vlm_ros.grounding.fits import Fits, judged, linked, ranked
from vlm_ros.grounding.inventory import EVERYDAY, list_things, SAME_OBJECT_IOU
from vlm_ros.grounding.sightings import Observer, Presence, Sighting
from vlm_ros.grounding.tallies import joined
from vlm_ros.inflection import count_phrase, join_names, plural, with_article
from vlm_ros.language.expression_forms import read_expression
from vlm_ros.language.expressions import Clause, Expression, Link
from vlm_ros.language.things import Thing
from vlm_ros.phrases import check_text, Vocabulary
from vlm_ros.ranking import Ranking, SIDES
from vlm_ros.results import Detections, Reference, Status

MAX_BEARERS = 60
"""Of a larger crowd nobody is told from the others: each is held against each."""
OTHERS_MAY_FIT = 0.75
"""The most confidence in what surely fits where something else may fit as well."""


def locate(
    expression: str,
    observer: Observer,
    judge: Judge,
    *,
    vocabulary: Vocabulary = EVERYDAY,
) -> Reference:
    """Find the one object that an expression refers to.

    Args:
        expression: In English, such as `the red car left of the bus`.
        observer: Looks for names in the image, and holds the ticket.
        judge: Judges attributes, and clauses such as `wearing a hat`.
        vocabulary: What `the one` or `the object` may be.

    Returns:
        OK with the one box; NOT_IN_VIEW where nothing fits, with what bears the name as
        candidates; UNSURE where several fit or nobody can tell, with these as candidates.

    Raises:
        QuestionError: The expression is blank or too long.
    """
    check_text(expression, 'expression')
    observer.ticket.check()
    reading = read_expression(expression)
    if not reading.expressions:
        return Reference(Status.UNSURE, message=f'cannot tell: {reading.reason}')
    names = [thing.name for one in reading.expressions for thing in one.things]
    resolver = _Resolver(observer, judge, vocabulary, observer.look(names))
    return _agreed([resolver.locate(one) for one in reading.expressions])


def _agreed(references: Sequence[Reference]) -> Reference:
    """Join what the readings of an expression come to."""
    located = [reference for reference in references if reference.status is Status.OK]
    if not located:
        return references[0]
    if len({reference.detection.xyxy.tobytes() for reference in located}) == 1:
        return max(located, key=lambda reference: reference.confidence)
    meant = joined([reference.detection for reference in located])
    return _unsure('the expression can be read in several ways', meant)


_CONTACTS = frozenset({spatial.Relation.ON, spatial.Relation.IN})
"""Relations that a picture of the thing alone shows."""


class _Resolver:
    def __init__(
        self,
        observer: Observer,
        judge: Judge,
        vocabulary: Vocabulary,
        sightings: tallies.Sightings,
    ) -> None:
        self._observer = observer
        self._judge = judge
        self._vocabulary = vocabulary
        self._sightings = sightings

    def locate(self, expression: Expression) -> Reference:
        """Find what one reading of an expression refers to."""
        fits = self._fitting(expression)
        if fits.failure is not None:
            return fits.failure
        sure, possible = fits.those(True), fits.those(None)
        others = [i for i in range(len(fits.found)) if i not in sure]
        order = [*sure, *possible, *fits.those(False)]
        if len(sure) == 1 and not expression.thing.plural:
            limits = [1.0 - score for score in fits.weak.scores.tolist()]
            limits += [OTHERS_MAY_FIT] if possible else []
            confidence = min([fits.confidences[sure[0]], *limits])
            rest = fits.found[[i for i in order if i in others]]
            return Reference(
                Status.OK, fits.found[sure], max(0.0, confidence), joined([rest, fits.weak])
            )
        if sure or possible:
            meant = fits.found[[*sure, *possible]]
            return _unsure(_which(expression, fits), meant if sure else joined([meant, fits.weak]))
        return self._unfit(expression, fits)

    def _unfit(self, expression: Expression, fits: Fits) -> Reference:
        if len(fits.weak):
            maybe = with_article(expression.thing.name)
            return _unsure(f'cannot tell: there may be {maybe} in view', fits.weak)
        return self._missing(expression.text, fits.found)

    def _missing(self, what: str, found: Detections) -> Reference:
        where = 'view' if self._observer.region_xyxy is None else 'the region'
        one_name = len(set(found.labels)) == 1
        seen = f', but there {_are(found)} {list_things(found)}' if one_name else ''
        message = f'there is no {what} in {where}{seen}'
        return Reference(Status.NOT_IN_VIEW, candidates=found, message=message)

    def _fitting(self, expression: Expression) -> Fits:
        """Hold everything that bears the name to all that the expression says."""
        references = [self._fitting(reference) for reference in expression.references]
        failure = next((one.failure for one in references if one.failure is not None), None)
        for reference, fits in zip(expression.references, references, strict=True):
            if failure is None and not fits.those(True) and not fits.those(None):
                failure = self._unfit(reference, fits)
        fits = self._bearers(expression, references)
        if fits.failure is not None:
            return fits
        if failure is not None:  # what bears the name is shown all the same
            return replace(fits, failure=replace(failure, candidates=fits.found))
        fits = self._placed(expression, fits)
        remaining = list(references)
        for link in expression.links:
            own, remaining = remaining[: len(link.references)], remaining[len(link.references) :]
            fits = self._linked(link, fits, own)
        for attribute in expression.attributes:
            fits = self._attributed(attribute, fits)
        for clause in expression.clauses:
            fits = self._claused(clause, fits)
        if expression.rank is not None:
            fits = ranked(expression.rank, fits, remaining)
        return fits

    def _bearers(self, expression: Expression, references: Sequence[Fits]) -> Fits:
        thing = expression.thing
        if thing.generic:
            found, weak = self._anything(expression, references), Detections()
        else:
            sighting = self._sightings[thing.name]
            failure = self._failure(thing, sighting)
            if failure is not None:
                return Fits(Detections(), (), (), Detections(), failure=failure)
            found, weak = sighting.found, sighting.doubtful
        if len(found) > MAX_BEARERS:
            seen = f'there are {count_phrase(len(found), thing.name)} in view'
            failure = _unsure(f'cannot tell: {seen}, too many to tell them apart', found)
            return Fits(Detections(), (), (), Detections(), failure=failure)
        found = found[np.argsort(-found.scores, kind='stable')]
        return Fits(found, (True,) * len(found), tuple(found.scores.tolist()), weak)

    def _failure(self, thing: Thing, sighting: Sighting) -> Reference | None:
        if sighting.presence is Presence.UNRECOGNIZED:
            return _unsure(reasons.cannot_recognize([thing.name]))
        if sighting.presence is Presence.ABSENT:
            return self._missing(thing.name, Detections())
        return None

    def _anything(self, expression: Expression, references: Sequence[Fits]) -> Detections:
        referred = {thing.name.casefold() for thing in expression.things}
        names = [name for name in self._vocabulary.names if name.casefold() not in referred]
        found = self._observer.find(names)
        found = found[boxes.non_max_suppression(found.xyxy, found.scores, SAME_OBJECT_IOU)]
        if not references:
            return found
        overlaps = boxes.iou(found.xyxy, joined([one.found for one in references]).xyxy)
        return found[~(overlaps > SAME_OBJECT_IOU).any(axis=1)]

    def _placed(self, expression: Expression, fits: Fits) -> Fits:
        place = expression.place
        if place is None:
            return fits
        reason = f'not clearly {place.text}'
        resolution_wh = self._observer.resolution_wh
        weak = [place.holds(box, resolution_wh) is not False for box in fits.weak.xyxy]
        fits = replace(fits, weak=fits.weak[np.array(weak, bool)])
        sides = [SIDES[side] for side in (place.column, place.row) if side in SIDES]
        if len(fits.found) == 2 and len(sides) == 1 and not (place.column and place.row):
            # Of two dogs, the one on the left is the one further left, wherever both are.
            truths = Ranking(sides[0], fits.found.xyxy).chosen(fits.truths, 1)
        else:
            truths = [place.holds(box, resolution_wh) for box in fits.found.xyxy]
        return fits.narrowed(truths, [1.0] * len(truths), reason)

    def _linked(self, link: Link, fits: Fits, references: Sequence[Fits]) -> Fits:
        held = linked(link, fits, references)
        if link.relation not in _CONTACTS or not held.those(None):
            return held
        open_ = [i for i in held.those(None) if fits.truths[i]]
        others = join_names([f'the {one.name}' for one in link.references])
        clause = f'{link.relation.value} {others}'
        opinions = self._judge.does(self._observer, fits.found[open_], clause)
        truths, confidences = list(held.truths), list(held.confidences)
        for i, opinion in zip(open_, opinions, strict=True):
            if opinion.truth is not None:
                truths[i] = opinion.truth != link.negated
                confidences[i] = min(confidences[i], opinion.confidence)
        return replace(held, truths=tuple(truths), confidences=tuple(confidences))

    def _attributed(self, attribute: str, fits: Fits) -> Fits:
        denied = attribute.startswith('not ')
        word = attribute.removeprefix('not ')
        opinions: Sequence[Opinion] = [UNDECIDED] * len(fits.truths)
        if word.endswith('est') and len(fits.those(False)) == len(fits.truths) - 1:
            opinions = [Opinion(True, 1.0)] * len(fits.truths)  # the only one is the oldest
        elif not _compares(word):
            opinions = self._opinions(
                fits, lambda found: self._judge.holds(self._observer, found, word)
            )
        reason = f'this model cannot tell which is {attribute}'
        return judged(fits, opinions, reason, denied)

    def _claused(self, clause: Clause, fits: Fits) -> Fits:
        if not clause.by_itself:
            reason = f'boxes cannot tell which is {clause.text}'
            return judged(fits, [UNDECIDED] * len(fits.truths), reason, False)
        denied = clause.text.startswith('not ')
        seen = [(thing.name, self._sightings[thing.name].presence) for thing in clause.needed]
        absent = [name for name, presence in seen if presence is Presence.ABSENT]
        if absent and not denied:
            failure = replace(self._missing(absent[0], Detections()), candidates=fits.found)
            return replace(fits, failure=fits.failure or failure)
        opinions = self._opinions(
            fits,
            lambda found: self._judge.does(
                self._observer, found, clause.text.removeprefix('not ')
            ),
        )
        return judged(fits, opinions, f'this model cannot tell which is {clause.text}', denied)

    def _opinions(
        self, fits: Fits, ask: Callable[[Detections], Sequence[Opinion]]
    ) -> list[Opinion]:
        """Ask about the boxes that are still in question."""
        asked = [i for i, truth in enumerate(fits.truths) if truth is not False]
        opinions = [UNDECIDED] * len(fits.truths)
        for index, opinion in zip(asked, ask(fits.found[asked]), strict=True):
            opinions[index] = opinion
        return opinions


def _compares(word: str) -> bool:
    """Tell whether a word says nothing of a thing by itself: `other`, `oldest`."""
    return word in _COMPARING or (word.endswith('est') and word in lexicon.ATTRIBUTES)


_COMPARING = frozenset(
    'other another next same different similar main front back certain various older younger'
    ' longer higher lower middle'.split()
)


def _which(expression: Expression, fits: Fits) -> str:
    """Say in one line why no one box is meant."""
    count = len(fits.those(True))
    name = expression.thing.name
    if expression.thing.plural:
        return f'this means several {plural(name)}, not one; ask for one of them'
    if count > 1:
        return f'{count_phrase(count, name)} fit that; it is not clear which is meant'
    return f'cannot tell: {fits.reason or "it is not clear which is meant"}'


def _unsure(message: str, candidates: Detections | None = None) -> Reference:
    return Reference(Status.UNSURE, candidates=candidates or Detections(), message=message)


def _are(found: Detections) -> str:
    return 'are' if found.labels.count(found.labels[0]) > 1 else 'is'
