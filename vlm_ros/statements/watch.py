"""What holds of one statement, image after image."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace

from vlm_ros.results import Provenance, Status, Truth, Verdict
from vlm_ros.statements.voting import decide, Rule


@dataclass(frozen=True)
class Sight:
    """What one look at one image said; a look that failed is UNKNOWN with its status."""

    verdict: Verdict
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True)
class State:
    """What holds of a statement.

    Attributes:
        verdict: TRUE or FALSE with OK; else UNKNOWN with a status and a message that say why. Its
            confidence and evidence are those of the last image that agrees.
        provenance: Of the image that brought this state.
        evidence_of: Of the image that the evidence is in.
        agreeing: How many of the last images have the same truth.
        frames: How many last images were counted.
        since_ns: Stamp of the oldest of those images that agree. Where nobody looked: the stamp of
            the last image there was. None where there is no such image or it has no stamp.
    """

    verdict: Verdict
    provenance: Provenance = field(default_factory=Provenance)
    evidence_of: Provenance = field(default_factory=Provenance)
    agreeing: int = 0
    frames: int = 0
    since_ns: int | None = None

    @property
    def code(self) -> tuple[Truth, Status]:
        """What holds, in short."""
        return self.verdict.truth, self.verdict.status

    @property
    def why_not_looked(self) -> str:
        """Why nobody looked; empty where somebody did.

        Only what failed is told in words, as those of other statuses count seconds.
        """
        if self.frames:
            return ''
        status = self.verdict.status
        return self.verdict.message if status is Status.FAILED else status.name


class Watch:
    """Turns looks into states; see `voting.decide`.

    TRUE and FALSE are voted on; UNKNOWN is where neither holds. Why it is UNKNOWN is voted on in
    the same way, so that two reasons which alternate are no stream of changes; where no reason
    holds, it is UNSURE.

    Args:
        rule: How many looks have to agree.

    Attributes:
        rule: The same.
        state: What holds now.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.state = State(Verdict(Truth.UNKNOWN, status=Status.NO_IMAGE))
        self._sights: deque[Sight] = deque(maxlen=rule.frames)
        self._truth = Truth.UNKNOWN
        self._reason = Status.UNSURE

    def see(self, sight: Sight) -> bool:
        """Count a look; returns whether that changed what holds, or why nobody looked."""
        self._sights.append(sight)
        truths = [seen.verdict.truth for seen in self._sights]
        reasons = [_reason_of(seen.verdict) for seen in self._sights]
        self._truth = decide(self.rule, self._truth, truths, undecided=Truth.UNKNOWN)
        self._reason = decide(self.rule, self._reason, reasons, undecided=Status.UNSURE)
        status = self._reason if self._truth is Truth.UNKNOWN else Status.OK
        return self._become(self._agreed(self._truth, status))

    def lose(self, status: Status, message: str, provenance: Provenance) -> bool:
        """Forget all looks, since nobody looks any more; returns whether that is a change.

        Args:
            status: Why nobody looks.
            message: The same for people.
            provenance: Of the last image there was.
        """
        self._sights.clear()
        self._truth, self._reason = Truth.UNKNOWN, Status.UNSURE
        verdict = Verdict(Truth.UNKNOWN, status=status, message=message)
        return self._become(State(verdict, provenance, provenance, since_ns=provenance.stamp_ns))

    def _become(self, state: State) -> bool:
        before = self.state
        changed = (state.code, state.why_not_looked) != (before.code, before.why_not_looked)
        self.state = state if changed else replace(state, since_ns=before.since_ns)
        return changed

    def _agreed(self, truth: Truth, status: Status) -> State:
        """Make the state with a truth and a status out of the looks that led to it."""
        sights = tuple(self._sights)
        agree = [seen for seen in sights if _code_of(seen) == (truth, status)]
        # Where nothing holds, it is the looks that differ from what did which led to that.
        led = agree or [seen for seen in sights if _code_of(seen) != self.state.code] or sights
        if len(agree) >= self.rule.keeping:
            verdict, evidence_of = agree[-1].verdict, agree[-1].provenance
        else:
            verdict = Verdict(truth, status=status, message=self._disagreement())
            evidence_of = sights[-1].provenance
        return State(
            verdict,
            sights[-1].provenance,
            evidence_of,
            agreeing=sum(seen.verdict.truth is truth for seen in sights),
            frames=len(sights),
            since_ns=led[0].provenance.stamp_ns,
        )

    def _disagreement(self) -> str:
        counts, rule = Counter(seen.verdict.truth for seen in self._sights), self.rule
        return (
            f'of the last {len(self._sights)} images {counts[Truth.TRUE]} say true and '
            f'{counts[Truth.FALSE]} false; {rule.agreeing} of {rule.frames} have to agree'
        )


def _reason_of(verdict: Verdict) -> Status:
    """Return why a look does not tell; UNSURE, which is never held on to, where it does."""
    return Status.UNSURE if verdict.status is Status.OK else verdict.status


def _code_of(sight: Sight) -> tuple[Truth, Status]:
    verdict = sight.verdict
    is_known = verdict.truth is not Truth.UNKNOWN
    return verdict.truth, Status.OK if is_known else _reason_of(verdict)
