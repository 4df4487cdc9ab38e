"""k of n with hysteresis: the table, and what can never happen."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
import pytest

from vlm_ros.errors import InputError
from vlm_ros.statements import decide, is_settled, Rule

RULES = st.integers(1, 12).flatmap(
    lambda frames: st.integers(frames // 2 + 1, frames).flatmap(
        lambda agreeing: st.builds(
            Rule, st.just(agreeing), st.just(frames), st.none() | st.integers(1, agreeing)
        )
    )
)
VOTES = st.lists(st.sampled_from('TFU'), min_size=1, max_size=60)


def outcomes(rule, votes):
    """What holds after each vote; U is undecided."""
    held, said = 'U', []
    for number in range(1, len(votes) + 1):
        held = decide(rule, held, votes[:number], 'U')
        said.append(held)
    return ''.join(said)


def changes(said):
    return sum(one != other for one, other in itertools.pairwise(said))


@pytest.mark.parametrize(
    ('rule', 'votes', 'said'),
    [
        (Rule(), 'TFUT', 'TFUT'),
        (Rule(3, 5, 2), 'TTTFFFF', 'UUTTTTF'),
        (Rule(3, 5, 3), 'TTTFFFF', 'UUTTTFF'),
        (Rule(3, 5, 2), 'TTTUUUU', 'UUTTTTU'),
        (Rule(3, 5, 1), 'TTTUUUUUT', 'UUTTTTTUU'),
        (Rule(4, 5, 4), 'TTTTFFFF', 'UUUTTUUF'),
        (Rule(3, 5, 2), 'TFTFTFTFTF', 'UUUUTTTTTT'),
        (Rule(3, 5, 3), 'TFTFTFTFTF', 'UUUUTFTFTF'),
        (Rule(4, 5), 'TFTFTFTFTF', 'UUUUUUUUUU'),
        (Rule(2, 2, 1), 'TTFTFFT', 'UTTTTFF'),
        (Rule(2, 3, 1), 'UUUTT', 'UUUUT'),
    ],
)
def test_the_table(rule, votes, said):
    assert outcomes(rule, votes) == said


@given(RULES, VOTES)
def test_what_holds_has_the_votes_to_hold(rule, votes):
    held = 'U'
    for number, now in enumerate(outcomes(rule, votes), start=1):
        last = votes[max(0, number - rule.frames) : number]
        winners = [value for value in 'TFU' if last.count(value) >= rule.agreeing]
        assert len(winners) <= 1, 'two can win'
        if now == held != 'U':
            assert last.count(now) >= rule.keeping
        else:
            assert now == (winners or ['U'])[0]
            if held != 'U':
                assert last.count(held) < rule.keeping
        held = now


@given(RULES, VOTES)
def test_what_was_entered_holds_a_while(rule, votes):
    said = outcomes(rule, votes)
    runs = [0]
    for before, now in itertools.pairwise(said):
        if now == before:
            runs[-1] += 1
        else:
            if before != 'U' and len(runs) > 1:  # the first run has no vote that brought it
                assert runs[-1] + 1 >= rule.agreeing - rule.keeping + 1
            runs.append(0)


@given(RULES, st.permutations('TFU'), st.integers(2, 40))
def test_alternation_is_no_flapping(rule, values, count):
    votes = [values[number % 2] for number in range(count)]
    is_steady = rule.keeping <= rule.frames // 2 or 2 * rule.agreeing > rule.frames + 1
    if is_steady:
        assert changes('U' + outcomes(rule, votes)) <= 1


@given(RULES, VOTES)
def test_the_same_votes_say_the_same_and_only_the_last_count(rule, votes):
    said = outcomes(rule, votes)
    assert outcomes(rule, tuple(votes)) == said
    assert decide(rule, 'U', votes, 'U') == decide(rule, 'U', votes[-rule.frames :], 'U')


@given(RULES, VOTES, st.sampled_from('TF'))
def test_unanimous_looks_decide_in_time(rule, votes, value):
    slowest = max(rule.agreeing, rule.frames - rule.keeping + 1)
    assert outcomes(rule, [*votes, *value * slowest])[-1] == value


@given(RULES, st.data())
def test_what_is_settled_no_further_vote_changes(rule, data):
    votes = data.draw(st.lists(st.sampled_from('TFU'), min_size=1, max_size=rule.frames))
    left = rule.frames - len(votes)
    ends = {
        outcomes(Rule(rule.agreeing, rule.frames), [*votes, *vote * left])[-1] for vote in 'TFU'
    }
    assert is_settled(rule, votes, 'U') == (len(ends) == 1)


@pytest.mark.parametrize(
    ('limits', 'message'),
    [
        ((1, 0), 'frames must be 1 to 1000, got 0'),
        ((1, 1001), 'frames must be 1 to 1000'),
        ((0, 1), 'agreeing must be more than half of the 1 frames'),
        ((6, 5), '3 to 5, got 6'),
        ((2, 4), '3 to 4, got 2'),
        ((3, 5, 4), 'release must be 1 to 3'),
        ((3, 5, 0), 'release must be 1 to 3'),
    ],
)
def test_contradictory_limits_are_refused(limits, message):
    with pytest.raises(InputError, match=message):
        Rule(*limits)
