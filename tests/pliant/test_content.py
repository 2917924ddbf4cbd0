"""Content: keys, kinds, and the round trip through Arrow."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.content import (
    Image,
    Record,
    Text,
    Video,
    from_arrow,
    modality_of,
    row_key,
    text_of,
    to_arrow,
)
from pliant.errors import InvalidInputError, NotFoundError

words = st.text(max_size=30)
videos = st.lists(st.tuples(st.binary(max_size=9), st.floats(0, 1e6)), max_size=4).map(
    lambda frames: Video(tuple(data for data, _ in frames), tuple(second for _, second in frames))
)
parts = st.one_of(words.map(Text), st.binary(max_size=40).map(Image), videos)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
records = st.builds(
    Record,
    id=words,
    content=st.lists(parts, max_size=4).map(tuple),
    source=words,
    locator=words,
    metadata=st.dictionaries(words, values, max_size=4),
    modality=st.sampled_from(["text", "image", "video", "page", "interleaved"]),
    thumbnail=st.binary(max_size=20),
)


@given(st.lists(records, max_size=4))
def test_records_survive_arrow(rows: list[Record]) -> None:
    assert from_arrow(to_arrow(rows)) == rows


def test_the_key_is_the_hash_of_both_lengths_and_both_texts() -> None:
    digest = blake2b(
        (7).to_bytes(8, "little") + b"file:/a" + (6).to_bytes(8, "little") + b"page=3",
        digest_size=16,
    )
    assert row_key("file:/a", "page=3") == digest.hexdigest()


@given(words, words, words, words)
def test_different_rows_have_different_keys(a: str, b: str, c: str, d: str) -> None:
    assert (row_key(a, b) == row_key(c, d)) == ((a, b) == (c, d))


def test_a_key_can_be_made_of_a_name_that_is_no_utf8() -> None:
    assert len(row_key(b"na\xefve".decode("utf8", "surrogateescape"), "")) == 32


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ((Text("a"), Text("b")), "text"),
        ((Image(b""),), "image"),
        ((Video((), ()),), "video"),
        ((Text("a"), Image(b"")), "interleaved"),
    ],
)
def test_modality(content: tuple[Text | Image | Video, ...], kind: str) -> None:
    assert modality_of(content) == kind


def test_text_parts_are_joined_in_order() -> None:
    assert text_of((Text("a"), Image(b"x"), Text("b"))) == "a\nb"


def test_a_video_needs_a_time_for_each_frame() -> None:
    with pytest.raises(InvalidInputError, match="2 frames, 1 seconds"):
        Video((b"1", b"2"), (0.0,))


def test_opening_an_image_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"absent\.png"):
        Image.open(tmp_path / "absent.png")
