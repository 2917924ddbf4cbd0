"""Attention within texts padded to one length: [B T, 3 H] to [B T, H].

On a CPU in BF16, torch's fused kernel and its softmax are slow: there the scores are exponentiated
as they are and the sum is divided out after the product with the values, a cache-sized piece at a
time. That is the same softmax as long as no sum overflows or vanishes, which is looked at.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SHORT = 512
"""Tokens up to which the plain products win; measured, see the README of the encoder."""
_PIECE = 12 * 256 * 256
"""Scores held at a time: 1.5 MB in BF16, about a core's share of the cache; measured."""
_SAFE = 1e30
"""Sums between its inverse and this are far from BF16's limits of 1e-38 and 3e38."""
NOT_THERE = -1e4
"""Added to the score of a padded token: its exponential is 0."""


def attend(qkv: Tensor, num_texts: int, num_heads: int, bias: Tensor | None = None) -> Tensor:
    """Attend within each of the texts: [B T, 3 H] to [B T, H].

    Args:
        qkv: queries, keys and values of every token.
        num_texts: B.
        num_heads: A.
        bias: [B, T] added to the scores, when some texts are shorter than the others.
    """
    length, hidden = len(qkv) // num_texts, qkv.shape[1] // 3
    parts = qkv.view(num_texts, length, 3, num_heads, -1).permute(2, 0, 3, 1, 4)
    if qkv.device.type == "cpu" and qkv.dtype == torch.bfloat16 and length <= _SHORT:
        if bias is not None:
            bias = bias.repeat_interleave(num_heads, 0).unsqueeze(1)
        attended = _short(parts.reshape(3, num_texts * num_heads, length, -1), bias)
        attended = attended.view(num_texts, num_heads, length, -1)
    else:
        query, key, value = parts
        mask = None if bias is None else bias.view(num_texts, 1, 1, length)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attended.transpose(1, 2).reshape(-1, hidden)


def _short(parts: Tensor, bias: Tensor | None) -> Tensor:
    """Attend by plain products, some heads at a time: [3, B A, T, H / A] to [B A, T, H / A]."""
    at_once = max(_PIECE // parts.shape[2] ** 2, 1)
    pieces = parts.split(at_once, dim=1)
    biases = [None] * len(pieces) if bias is None else bias.split(at_once)
    return torch.cat([_softmax_last(*piece) for piece in zip(pieces, biases, strict=True)])


def _softmax_last(parts: Tensor, bias: Tensor | None) -> Tensor:
    """Softmax with its division last: [3, P, T, H / A] to [P, T, H / A]."""
    value = parts[2]
    weights = _scores(parts, bias).exp_()
    sums = weights.sum(-1, keepdim=True)
    if sums.min() > 1 / _SAFE and sums.max() < _SAFE:
        return torch.bmm(weights, value).div_(sums)
    return torch.bmm(_scores(parts, bias).softmax(-1), value)


def _scores(parts: Tensor, bias: Tensor | None) -> Tensor:
    query, key, _ = parts
    scale = query.shape[-1] ** -0.5
    if bias is None:
        nothing = query.new_zeros(1)
        return torch.baddbmm(nothing, query, key.transpose(1, 2), beta=0, alpha=scale)
    return torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
