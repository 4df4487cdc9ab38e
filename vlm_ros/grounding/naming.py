"""Grounding by a detector: each noun phrase of a text is looked for as a name."""

from collections.abc import Callable, Iterable

from vlm_ros.phrases import check_text, noun_phrases, Phrase, Vocabulary
from vlm_ros.results import Detections, PhraseGrounding, PhraseGroundings
from vlm_ros.tasks import Detector, Image, Ticket


def ground_by_names(
    detector: Detector,
    image: Image,
    text: str,
    *,
    name_of: Callable[[Phrase], str] = lambda phrase: phrase.name,
    score_threshold: float | None = None,
    ticket: Ticket | None = None,
) -> PhraseGroundings:
    """Find what each noun phrase of a text names.

    Args:
        detector: Looks for the names, all in one call.
        image: `(H, W, 3)` uint8 RGB.
        text: A phrase or a sentence.
        name_of: The name to look for; by default the noun with its attributes, `red car`.
        score_threshold: As for `Detector.detect`.
        ticket: The caller's deadline and cancel.

    Raises:
        QuestionError: The text is empty or too long.
    """
    check_text(text, 'text')
    phrases = noun_phrases(text)
    if not phrases:
        return PhraseGroundings(text, Detections(), ())
    vocabulary = Vocabulary(tuple(_distinct(name_of(phrase) for phrase in phrases)))
    found = detector.detect(image, vocabulary, score_threshold=score_threshold, ticket=ticket)
    by_name = {name.casefold(): name for name in vocabulary.names}
    groundings = []
    for phrase in phrases:
        name = by_name[' '.join(name_of(phrase).split()).casefold()]
        indices = tuple(i for i, label in enumerate(found.labels) if label == name)
        scores = tuple(float(found.scores[i]) for i in indices)
        groundings.append(PhraseGrounding(phrase.text, phrase.span, indices, scores))
    return PhraseGroundings(text, found, tuple(groundings))


def _distinct(names: Iterable[str]) -> list[str]:
    return list({name.casefold(): name for name in names}.values())
