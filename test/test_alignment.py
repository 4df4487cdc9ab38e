import numpy as np
import pytest

from vlm_ros.alignment import evidence, similarity, softmax


def test_softmax_sums_to_one_and_keeps_the_order():
    logits = np.float32([[0, 1, 3], [1000, -1000, 0]])
    probabilities = softmax(logits)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(probabilities.argsort(1), logits.argsort(1))
    np.testing.assert_allclose(softmax(logits + 7), probabilities, rtol=1e-5)


def test_similarity_is_the_cosine():
    regions = np.float32([[2, 0], [0, 0.5], [-1, 0]])
    words = np.float32([[1, 0], [3, 3]])
    expected = [[1, 0.5**0.5], [0, 0.5**0.5], [-1, -(0.5**0.5)]]
    np.testing.assert_allclose(similarity(regions, words), expected, atol=1e-6)


def test_similarity_of_nothing_is_zero():
    assert similarity([[0, 0]], [[1, 2]]) == [[0]]
    assert similarity(np.zeros((0, 3)), np.ones((2, 3))).shape == (0, 2)


def test_evidence_is_absolute():
    probabilities = softmax(np.float32([[2, 1, 0, -1]]))
    cat, dog = [1, 0, 0, 0], [0, 0.5, 1, 0]
    together = evidence(probabilities, [cat, dog])
    assert evidence(probabilities, [cat])[0, 0] == pytest.approx(together[0, 0])
    assert together[0, 0] == pytest.approx(probabilities[0, 0])
    assert together[0, 1] == pytest.approx(0.5 * probabilities[0, 1] + probabilities[0, 2])
    assert together.sum() < 1


def test_evidence_stays_a_probability():
    probabilities = softmax(np.random.default_rng(0).normal(size=(50, 1000)))
    found = evidence(probabilities, np.ones((2, 1000)))
    assert np.all((found >= 0) & (found <= 1))
    assert found.dtype == np.float32
