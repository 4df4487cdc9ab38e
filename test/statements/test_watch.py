"""What a statement's state is, look after look."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from vlm_ros.results import Detections, Provenance, Status, Truth, Verdict
from vlm_ros.statements import Rule, Sight, Watch

VERDICTS = {
    'T': Verdict(Truth.TRUE, 0.9, Detections([[0, 0, 1, 1]], [0.9], ('dog',))),
    'F': Verdict(Truth.FALSE, 0.7),
    'U': Verdict(Truth.UNKNOWN, status=Status.UNSURE, message='cannot tell'),
    'N': Verdict(Truth.UNKNOWN, status=Status.NOT_IN_VIEW, message='there is no dog in view'),
    'X': Verdict(Truth.UNKNOWN, status=Status.FAILED, message='the model failed'),
}


def sights(votes):
    return [Sight(VERDICTS[vote], Provenance(stamp_ns=n)) for n, vote in enumerate(votes, start=1)]


def watched(rule, votes):
    """Watch looks; returns the watch and what changed, as (stamp, truth, status)."""
    watch, changes = Watch(rule), []
    for sight in sights(votes):
        if watch.see(sight):
            changes.append(
                (sight.provenance.stamp_ns, watch.state.verdict.truth.name[0], watch.state)
            )
    return watch, changes


def brief(changes):
    return [(stamp, truth, state.verdict.status.name) for stamp, truth, state in changes]


def test_a_state_says_what_led_to_it():
    watch, changes = watched(Rule(3, 5, 2), 'UTFTTT')
    assert brief(changes) == [(1, 'U', 'UNSURE'), (5, 'T', 'OK')]
    state = changes[-1][-1]
    assert (state.agreeing, state.frames, state.since_ns) == (3, 5, 2)
    assert state.provenance.stamp_ns == state.evidence_of.stamp_ns == 5
    assert state.verdict.confidence == pytest.approx(0.9)
    assert state.verdict.evidence.labels == ('dog',)
    assert watch.state.since_ns == 2, 'it holds on'
    assert watch.state.agreeing == 4


def test_the_evidence_is_of_the_last_image_that_agrees():
    _, changes = watched(Rule(3, 5, 2), 'FFFTTTU')
    stamp, truth, state = changes[-1]
    assert (stamp, truth) == (7, 'T')
    assert (state.provenance.stamp_ns, state.evidence_of.stamp_ns) == (7, 6)
    assert state.since_ns == 4


@pytest.mark.parametrize(
    ('votes', 'status', 'message', 'since_ns'),
    [
        ('TTTTNNNN', Status.NOT_IN_VIEW, 'there is no dog in view', 5),
        ('TTTTXXXX', Status.FAILED, 'the model failed', 5),
        ('TTTTUUUU', Status.UNSURE, 'cannot tell', 5),
        ('TTTTFFNN', Status.UNSURE, '1 say true and 2 false; 3 of 5 have to agree', 5),
    ],
)
def test_unknown_says_why(votes, status, message, since_ns):
    watch, _ = watched(Rule(3, 5, 2), votes)
    verdict = watch.state.verdict
    assert (verdict.truth, verdict.status, verdict.confidence) == (Truth.UNKNOWN, status, 0.0)
    assert message in verdict.message
    assert watch.state.since_ns == since_ns


def test_reasons_that_alternate_are_one_change():
    _, changes = watched(Rule(3, 5, 2), 'NXNXNXNXNX')
    assert brief(changes) == [(1, 'U', 'UNSURE'), (5, 'U', 'NOT_IN_VIEW')]


def test_one_failure_among_looks_changes_nothing():
    _, changes = watched(Rule(2, 3, 1), 'TTXTTNTT')
    assert brief(changes) == [(1, 'U', 'UNSURE'), (2, 'T', 'OK')]


def test_what_is_lost_begins_anew():
    watch, _ = watched(Rule(2, 3), 'TTT')
    last = Provenance(stamp_ns=3, camera='front')
    assert watch.lose(Status.STALE, 'no image for 2.0 s', last)
    assert not watch.lose(Status.STALE, 'no image for 2.2 s', last), 'once'
    assert watch.state.code == (Truth.UNKNOWN, Status.STALE)
    assert (watch.state.frames, watch.state.since_ns) == (0, 3)
    assert watch.see(Sight(VERDICTS['T'], Provenance(stamp_ns=9)))
    assert watch.state.code == (Truth.UNKNOWN, Status.UNSURE), 'the old looks are forgotten'
    assert watch.see(Sight(VERDICTS['T'], Provenance(stamp_ns=10)))
    assert (watch.state.code, watch.state.since_ns) == ((Truth.TRUE, Status.OK), 9)


def test_another_reason_why_nobody_looks_is_a_change():
    watch = Watch(Rule())
    last = Provenance(stamp_ns=3)
    assert watch.lose(Status.FAILED, 'monitor is unconfigured', last)
    assert watch.lose(Status.FAILED, 'the weights are missing', last)
    assert not watch.lose(Status.FAILED, 'the weights are missing', last)
    assert watch.lose(Status.UNSURE, 'no image was looked at yet', last)
    assert watch.see(Sight(VERDICTS['U'], Provenance(stamp_ns=4))), 'now somebody looked'
    assert watch.state.verdict.message == 'cannot tell'
    assert not watch.see(Sight(VERDICTS['U'], Provenance(stamp_ns=5)))


@given(st.sampled_from([Rule(), Rule(3, 5, 2), Rule(2, 3), Rule(5, 5, 1)]), st.text('TFUNX'))
def test_a_state_is_consistent(rule, votes):
    watch = Watch(rule)
    for number, sight in enumerate(sights(votes), start=1):
        before = watch.state
        changed = watch.see(sight)
        state = watch.state
        assert changed == (state.code != before.code)
        is_known = state.verdict.truth is not Truth.UNKNOWN
        assert is_known == (state.verdict.status is Status.OK)
        assert is_known or state.verdict.message
        assert 0 <= state.agreeing <= state.frames == min(number, rule.frames)
        assert state.agreeing >= rule.keeping or not is_known
        assert state.since_ns <= state.evidence_of.stamp_ns <= state.provenance.stamp_ns == number
