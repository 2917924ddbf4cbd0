"""Embeddings and their similarity, in numpy; knows no model and no store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pliant.errors import InvalidInputError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Vectors of B items.

    Attributes:
        values: [B, D] for one vector per item; [sum of lengths, D] when `lengths` is given.
        lengths: [B] vectors per item, for multi-vector embeddings.
    """

    values: Floats
    lengths: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise InvalidInputError(f"embeddings are a matrix, given shape {self.values.shape}")
        if self.lengths is not None and int(self.lengths.sum()) != len(self.values):
            raise InvalidInputError(
                f"lengths sum to {int(self.lengths.sum())}, given {len(self.values)} vectors"
            )

    def __len__(self) -> int:
        return len(self.values) if self.lengths is None else len(self.lengths)

    @property
    def dim(self) -> int:
        """Dimensions of each vector."""
        return self.values.shape[1]

    def truncate(self, dim: int) -> Embeddings:
        """Keep the first `dim` dimensions and give them unit length again.

        Raises:
            InvalidInputError: `dim` is not between 1 and the dimensions at hand.
        """
        if not 1 <= dim <= self.dim:
            raise InvalidInputError(f"dim {dim}: must be between 1 and {self.dim}")
        return Embeddings(normalise(self.values[:, :dim]), self.lengths)


def normalise(values: Floats) -> Floats:
    """Scale each row to unit length; a row of zeros stays as it is: [B, D] to [B, D]."""
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return (values / np.maximum(norms, 1e-12)).astype(np.float32, copy=False)


def similarity(queries: Embeddings, documents: Embeddings) -> Floats:
    """Score every query against every document: [Q, D] and [N, D] to [Q, N].

    The cosine for unit vectors; MaxSim when the embeddings are multi-vector.

    Raises:
        InvalidInputError: the two have other dimensions, or only one is multi-vector.
    """
    if queries.dim != documents.dim:
        raise InvalidInputError(f"queries have {queries.dim} dimensions, not {documents.dim}")
    if (queries.lengths is None) != (documents.lengths is None):
        raise InvalidInputError("one side is multi-vector and the other is not")
    scores = queries.values @ documents.values.T
    if queries.lengths is None or documents.lengths is None:
        return scores
    best = np.maximum.reduceat(scores, _starts(documents.lengths), axis=1)
    return np.add.reduceat(best, _starts(queries.lengths), axis=0)


def _starts(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if (lengths < 1).any():
        raise InvalidInputError("every multi-vector item needs at least one vector")
    return np.concatenate([[0], np.cumsum(lengths)[:-1]])
