from __future__ import annotations

import numpy as np
import pytest

from pliant.errors import InvalidInputError
from pliant.vectors.embeddings import Embeddings, normalise, similarity


def test_truncation_gives_unit_vectors_of_the_first_dimensions() -> None:
    short = Embeddings(np.array([[3, 4, 12]], np.float32)).truncate(2)
    np.testing.assert_allclose(short.values, [[0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("dim", [0, 4])
def test_truncation_beyond_the_dimensions_is_refused(dim: int) -> None:
    with pytest.raises(InvalidInputError, match=rf"dim {dim}.*1 and 3"):
        Embeddings(np.ones((1, 3), np.float32)).truncate(dim)


def test_a_row_of_zeros_stays_zero() -> None:
    assert not normalise(np.zeros((1, 4), np.float32)).any()


def test_dense_similarity_is_the_inner_product() -> None:
    queries = Embeddings(np.array([[1, 0], [0, 1]], np.float32))
    documents = Embeddings(np.array([[0.6, 0.8]], np.float32))
    np.testing.assert_allclose(similarity(queries, documents), [[0.6], [0.8]], rtol=1e-6)


def test_multi_vector_similarity_is_maxsim_by_a_naive_loop() -> None:
    chance = np.random.default_rng(0)
    lengths = np.array([2, 3]), np.array([1, 4, 2])
    sides = [Embeddings(chance.normal(size=(n.sum(), 5)).astype(np.float32), n) for n in lengths]
    scores = similarity(*sides)
    parts = [
        np.split(side.values, np.cumsum(n)[:-1]) for side, n in zip(sides, lengths, strict=True)
    ]
    for row, query in enumerate(parts[0]):
        for column, document in enumerate(parts[1]):
            naive = sum(max(float(q @ d) for d in document) for q in query)
            assert scores[row, column] == pytest.approx(naive, rel=1e-5)


def test_different_dimensions_are_refused() -> None:
    one, other = (Embeddings(np.ones((1, dim), np.float32)) for dim in (2, 3))
    with pytest.raises(InvalidInputError, match="2 dimensions, not 3"):
        similarity(one, other)


def test_lengths_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="sum to 3, given 2"):
        Embeddings(np.ones((2, 3), np.float32), np.array([1, 2]))
