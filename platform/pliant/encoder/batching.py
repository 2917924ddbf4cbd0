"""Micro-batches by cost: items of like length together, at most so much padded work in each.

Knows nothing about models: it sees token counts and patch counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pliant.encoder.backbone import Batch

BUDGET = 2048
"""Padded tokens and patches in a micro-batch; the measurement is in the README."""


LEAST = 256
"""Tokens and patches below which a micro-batch is not split among streams."""


def share(batch: Batch, streams: int) -> int:
    """Give the budget with which every stream has something to do."""
    return min(BUDGET, max(LEAST, -(-int(batch.costs.sum()) // streams)))


def micro_batches(batch: Batch, budget: int = BUDGET) -> Iterator[list[int]]:
    """Give the positions of each micro-batch, longest texts first.

    The first one is the most expensive, so memory shows its peak at once. An item dearer than the
    budget is a micro-batch of its own.
    """
    tokens = np.array([len(item.tokens) for item in batch.items], dtype=np.int64)
    patches = np.array([item.num_patches for item in batch.items], dtype=np.int64)
    order = np.lexsort((-patches, -tokens))
    yield from _cut(order, tokens, patches, budget)


def _cut(
    order: npt.NDArray[np.int64],
    tokens: Sequence[int] | npt.NDArray[np.int64],
    patches: Sequence[int] | npt.NDArray[np.int64],
    budget: int,
) -> Iterator[list[int]]:
    chosen: list[int] = []
    longest = pictures = 0
    for index in order.tolist():
        padded = max(longest, int(tokens[index])) * (len(chosen) + 1)
        if chosen and padded + pictures + int(patches[index]) > budget:
            yield chosen
            chosen, longest, pictures = [], 0, 0
        chosen.append(index)
        longest = max(longest, int(tokens[index]))
        pictures += int(patches[index])
    if chosen:
        yield chosen
