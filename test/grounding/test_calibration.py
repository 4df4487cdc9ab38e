"""Confidences as shares of right answers."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from vlm_ros.errors import ModelError
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.calibration import calibrated, Curve, FITTED
from vlm_ros.language.meaning import Kind
from vlm_ros.results import Detections

CURVES = {('fake', 'existence'): Curve(0.5, -1.0)}
CONFIDENCES = st.floats(0.0, 1.0)


@given(CONFIDENCES, CONFIDENCES, st.floats(0.01, 10.0), st.floats(-10.0, 10.0))
def test_a_curve_keeps_the_order_and_the_range(first, second, slope, shift):
    curve = Curve(slope, shift)
    low, high = sorted((first, second))
    assert 0.0 <= curve(low) <= curve(high) <= 1.0


@given(st.floats(0.001, 0.999))
def test_slope_one_without_a_shift_changes_nothing(confidence):
    assert Curve(1.0, 0.0)(confidence) == pytest.approx(confidence, abs=1e-6)


def test_where_nothing_was_fitted_it_stays():
    assert calibrated(0.7, 'count', 'fake', CURVES) == 0.7
    assert calibrated(0.7, 'existence', 'owl:base', CURVES) == 0.7
    assert calibrated(0.7, 'existence', '', CURVES) == 0.7


def test_a_backend_is_known_by_what_stands_before_its_model():
    expected = pytest.approx(1 / (1 + np.exp(1.0)))
    assert calibrated(0.5, 'existence', 'fake', CURVES) == expected
    assert calibrated(0.5, 'existence', 'fake:small', CURVES) == expected


def test_no_answer_stays_no_answer():
    assert calibrated(0.0, 'existence', 'fake', CURVES) == 0.0


def test_what_was_fitted_is_of_kinds_there_are_and_keeps_the_order():
    kinds = {kind.value for kind in Kind} | {'statement'}
    for (backend, kind), curve in FITTED.items():
        assert backend and kind in kinds and curve.slope > 0


class Dog:
    """Finds a dog."""

    model_id = 'fake:dog'
    score_threshold = 0.3

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        there = int('dog' in vocabulary.names)
        boxes = [(0, 0, 9, 9)] * there
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(there, 0.8, np.float32),
            ('dog',) * there,
        )


def test_an_answer_outlives_the_detector_that_made_it():
    class Replaced(Dog):
        @property
        def model_id(self):
            raise ModelError('it is put aside')

    grounded = GroundedAnswerer(Replaced(), curves=CURVES)
    answer = grounded.answer(np.zeros((32, 32, 3), np.uint8), 'Is there a dog?')
    assert (answer.text, answer.confidence) == ('yes', pytest.approx(0.8))


@pytest.mark.parametrize(
    ('question', 'curves', 'confidence'),
    [
        ('Is there a dog?', {}, 0.8),
        ('Is there a dog?', CURVES, Curve(0.5, -1.0)(0.8)),
        ('How many dogs are there?', CURVES, 0.8),
    ],
)
def test_answers_are_calibrated_by_their_kind(question, curves, confidence):
    answer = GroundedAnswerer(Dog(), curves=curves).answer(
        np.zeros((32, 32, 3), np.uint8), question
    )
    assert answer.confidence == pytest.approx(confidence, abs=1e-6)
