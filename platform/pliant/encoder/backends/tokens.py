"""Text to token ids with a fast tokenizer: one truncating copy, one that keeps everything."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as Normalizers

from pliant.errors import InvalidInputError, NotFoundError

Tokens = npt.NDArray[np.int32]
_LONG = 64
"""Characters per token above which a text is cut before it is tokenised."""


class TextTokenizer:
    """Tokenises for one model; needs no weights."""

    def __init__(self, directory: Path, max_length: int, lower_case: bool = False) -> None:
        self.directory = directory
        self.max_length = max_length
        self.lower_case = lower_case

    @cached_property
    def _whole(self) -> Tokenizer:
        tokenizer = _load(self.directory)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if self.lower_case:
            known = [tokenizer.normalizer] if tokenizer.normalizer is not None else []
            tokenizer.normalizer = Normalizers([Lowercase(), *known])
        return tokenizer

    @cached_property
    def _cutting(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self._whole.to_str())
        tokenizer.enable_truncation(self.max_length)
        return tokenizer

    @cached_property
    def num_special(self) -> int:
        """Special tokens around every text."""
        return self._whole.num_special_tokens_to_add(False)

    def ids(self, texts: Sequence[str], truncate: bool) -> list[Tokens | InvalidInputError]:
        """Give the token ids of each text, special tokens included; an error in its place."""
        good = [text for text in texts if _encodable(text)]
        tokenizer = self._cutting if truncate else self._whole
        shown = [self._head(text) for text in good] if truncate else good
        found = iter(tokenizer.encode_batch_fast(shown))
        return [
            self._checked(np.array(next(found).ids, dtype=np.int32))
            if _encodable(text)
            else InvalidInputError("text holds a lone surrogate, which is no character")
            for text in texts
        ]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Give start and end character of each token, without special tokens or truncation.

        Raises:
            InvalidInputError: the text holds half a character.
        """
        if not _encodable(text):
            raise InvalidInputError("text holds a lone surrogate, which is no character")
        return self._whole.encode(text, add_special_tokens=False).offsets

    def _checked(self, tokens: Tokens) -> Tokens | InvalidInputError:
        if len(tokens) > self.max_length:
            return InvalidInputError(
                f"text has {len(tokens)} tokens; allowed without truncation: {self.max_length}"
            )
        return tokens

    def _head(self, text: str) -> str:
        """Cut a very long text at white space, when the head alone is more than enough tokens."""
        limit = self.max_length * _LONG
        if len(text) <= 2 * limit:
            return text
        cut = text.rfind(" ", 0, limit)
        if cut <= 0:
            return text
        head = text[:cut]
        fills = len(self._cutting.encode(head).ids) >= self.max_length
        return head if fills else text


def _encodable(text: str) -> bool:
    return text.isascii() or _has_no_surrogate(text)


def _has_no_surrogate(text: str) -> bool:
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return False
    return True


def _load(directory: Path) -> Tokenizer:
    path = directory / "tokenizer.json"
    if path.is_file():
        return Tokenizer.from_file(str(path))
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise NotFoundError(
            f"model directory {str(directory)!r} has no tokenizer.json, nor another tokenizer "
            f"that transformers can read"
        ) from error
    backend = getattr(loaded, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise NotFoundError(f"model directory {str(directory)!r} has no fast tokenizer")
    return Tokenizer.from_str(backend.to_str())
