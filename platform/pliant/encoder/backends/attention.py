"""Attention within texts of equal length, without a mask: [B T, 3 H] to [B T, H].

On a CPU in BF16, torch's fused kernel and its softmax are slow: there the scores are exponentiated
as they are and the sum is divided out after the product with the values, a cache-sized piece at a
time. That is the same softmax as long as no score overflows, which is looked at first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SHORT = 512
"""Tokens up to which the plain products win; measured, see the README of the encoder."""
_PIECE = 12 * 256 * 256
"""Scores held at a time: 1.5 MB in BF16, about a core's share of the cache; measured."""
_SAFE = 60.0
"""Largest score that is exponentiated directly: exp(60) * 512 is far below BF16's 3e38."""


def attend(qkv: Tensor, num_texts: int, num_heads: int) -> Tensor:
    """Attend within each of the texts: [B T, 3 H] to [B T, H]."""
    length, hidden = len(qkv) // num_texts, qkv.shape[1] // 3
    parts = qkv.view(num_texts, length, 3, num_heads, -1).permute(2, 0, 3, 1, 4)
    if qkv.device.type == "cpu" and qkv.dtype == torch.bfloat16 and length <= _SHORT:
        attended = _short(parts.reshape(3, num_texts * num_heads, length, -1))
        attended = attended.view(num_texts, num_heads, length, -1)
    else:
        query, key, value = parts
        attended = F.scaled_dot_product_attention(query, key, value)
    return attended.transpose(1, 2).reshape(-1, hidden)


def _short(parts: Tensor) -> Tensor:
    """Attend by plain products, some heads at a time: [3, B A, T, H / A] to [B A, T, H / A]."""
    num_heads, length = parts.shape[1:3]
    at_once = max(_PIECE // length**2, 1)
    if at_once >= num_heads:
        return _softmax_last(parts)
    pieces = [_softmax_last(piece) for piece in parts.split(at_once, dim=1)]
    return torch.cat(pieces)


def _softmax_last(parts: Tensor) -> Tensor:
    """Softmax with its division last: [3, P, T, H / A] to [P, T, H / A]."""
    query, key, value = parts
    scale = query.shape[-1] ** -0.5
    scores = torch.baddbmm(query.new_zeros(1), query, key.transpose(1, 2), beta=0, alpha=scale)
    if scores.abs().max() > _SAFE:
        return torch.bmm(scores.softmax(-1), value)
    scores.exp_()
    return torch.bmm(scores, value).div_(scores.sum(-1, keepdim=True))
