from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from pliant.content import Image, Record, Text, Video, text_of
from pliant.ingest.discover import source_of
from pliant.ingest.failure import Failure
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.read import read
from pliant.media import decode_image


def items(path: Path, data: bytes | str | None = None, **options: Any) -> list[Record | Failure]:
    if data is not None:
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read(source_of(path), ReadOptions(**options)))


def one(path: Path, data: bytes | str | None = None, **options: Any) -> Record:
    (record,) = items(path, data, **options)
    assert isinstance(record, Record), record
    return record


def failure(path: Path, data: bytes | str | None = None, **options: Any) -> Failure:
    (failed,) = items(path, data, **options)
    assert isinstance(failed, Failure), failed
    assert failed.message
    return failed


def test_text_is_one_record(tmp_path: Path) -> None:
    record = one(tmp_path / "a.txt", "Grüße.\r\n")
    assert record.content == (Text("Grüße.\r\n"),)
    assert (record.id, record.locator, record.modality) == ("", "", "text")
    assert record.source == str(tmp_path / "a.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marked_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    assert text_of(one(tmp_path / "a.txt", "naïve 日本".encode(encoding)).content) == "naïve 日本"


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", "EmptyFile", "empty (0 bytes)"),
        (b" \n\t", "NoText", "white space"),
        (b"no\xebl", "InvalidUtf8", "0xeb at offset 2"),
        (b"\xef\xbb\xbfno\xeb", "InvalidUtf8", "offset 5"),
        (b"a\0b", "NulCharacter", "offset 1"),
        ("a".encode("utf-32"), "UnknownEncoding", "UTF-32"),
        (b"\xff\xfea", "InvalidEncoding", "UTF-16"),
    ],
)
def test_bad_text_has_a_reason(tmp_path: Path, data: bytes, error: str, words: str) -> None:
    failed = failure(tmp_path / "a.txt", data)
    assert failed.error == error
    assert words in failed.message


def test_large_text_is_refused_by_name(tmp_path: Path) -> None:
    failed = failure(tmp_path / "a.txt", "x" * 11, limits=Limits(max_text_bytes=10))
    assert (failed.error, failed.message) == (
        "TooLarge",
        "the file has 11 bytes; max_text_bytes allows 10",
    )


def test_front_matter_becomes_metadata(tmp_path: Path) -> None:
    record = one(
        tmp_path / "a.md", "---\ntitle: A\ndate: 2024-05-06\ntags: [x, y]\n---\n# A\n\nB.\n"
    )
    assert record.content == (Text("# A\n\nB.\n"),)
    assert record.metadata == {"title": "A", "date": "2024-05-06", "tags": ["x", "y"]}


@pytest.mark.parametrize("text", ["---\nA rule above\n---\nand text", "--- no\n", "---\nopen"])
def test_rules_are_no_front_matter(tmp_path: Path, text: str) -> None:
    assert text_of(one(tmp_path / "a.md", text).content) == text


@pytest.mark.parametrize("yaml", ["a: [", "a: !!python/object:os.system x", "\t- a"])
def test_broken_front_matter_has_a_reason(tmp_path: Path, yaml: str) -> None:
    assert failure(tmp_path / "a.md", f"---\n{yaml}\n---\ntext").error == "BadFrontMatter"


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    failed = failure(tmp_path / "a.md", "---\n" + "\n".join(lines) + "\n---\ntext")
    assert failed.error == "MetadataTooLarge"


def test_html_keeps_headings_and_drops_what_is_not_seen(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title> My \n page </title><style>p{}</style></head>
    <body><h1>Big <em>news</em></h1><p>One&nbsp;two
    three<br>four</p><script>alert(1)</script><h2>Then</h2><ul><li>a<li>b</ul>
    <table><tr><td>x<td>y</tr></table><p hidden>no</p><p style="display: none">no</p>
    <pre>  keep
      this</pre><noscript>no</noscript><!-- no --></body></html>"""
    record = one(tmp_path / "a.html", page)
    assert text_of(record.content) == (
        "# Big news\n\nOne two three\nfour\n\n## Then\n\n- a\n- b\n\nx y\n\n  keep\n      this"
    )
    assert record.metadata == {"title": "My page"}


def test_html_follows_the_declared_charset(tmp_path: Path) -> None:
    page = '<meta charset="iso-8859-1"><p>café'.encode("latin-1")
    assert text_of(one(tmp_path / "a.htm", page).content) == "café"


def test_html_without_text_has_a_reason(tmp_path: Path) -> None:
    assert failure(tmp_path / "a.html", "<script>x</script>").error == "NoText"


def test_deep_html_does_not_overflow(tmp_path: Path) -> None:
    assert text_of(one(tmp_path / "a.html", "<div>" * 20_000 + "deep").content) == "deep"


def test_an_image_has_a_thumbnail(tmp_path: Path, png_bytes: bytes) -> None:
    record = one(tmp_path / "A.PNG", png_bytes)
    assert record.content == (Image(png_bytes),)
    assert (record.modality, record.locator) == ("image", "")
    assert decode_image(record.thumbnail).size == (160, 160)


def test_a_text_named_png_has_a_reason(tmp_path: Path) -> None:
    failed = failure(tmp_path / "a.png", "hello")
    assert failed.error == "NotAnImage"
    assert "JPEG, PNG, WEBP, GIF" in failed.message


def test_video_segments_have_seconds(clip_mp4: Path) -> None:
    records = items(clip_mp4, segment_seconds=4, frames_per_segment=2)
    assert [record.locator for record in records] == ["t=0.0-4.0", "t=4.0-8.0", "t=8.0-12.0"]
    for record, channel in zip(records, range(3), strict=True):
        assert isinstance(record, Record)
        (clip,) = record.content
        assert isinstance(clip, Video)
        begin = 4.0 * channel
        assert clip.seconds == (begin + 1, begin + 3)
        pixel = decode_image(clip.frames[0]).resize((1, 1)).getpixel((0, 0))
        assert pixel is not None
        assert max(range(3), key=list(pixel).__getitem__) == channel  # pyright: ignore[reportArgumentType]
        assert record.modality == "video"
        assert record.thumbnail


def test_webm_is_read_and_a_short_rest_joins_the_last_segment(clip_webm: Path) -> None:
    assert [item.locator for item in items(clip_webm, segment_seconds=5)] == ["t=0.0-6.0"]


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (Limits(max_seconds=10), "TooLong"),
        (Limits(max_frames=10), "TooManyFrames"),
        (Limits(max_bytes=10), "TooLarge"),
    ],
)
def test_video_limits_are_named(clip_mp4: Path, limits: Limits, error: str) -> None:
    (failed,) = items(clip_mp4, limits=limits)
    assert isinstance(failed, Failure)
    assert failed.error == error
    assert next(iter(limits.model_fields_set)) in failed.message


def test_a_truncated_video_has_a_reason(tmp_path: Path, clip_mp4: Path) -> None:
    assert failure(tmp_path / "a.mp4", clip_mp4.read_bytes()[:2000]).error == "NotAVideo"


def test_pages_are_pictures_and_text(tmp_path: Path, make_pdf: Callable[..., bytes]) -> None:
    first, second = items(tmp_path / "a.pdf", make_pdf(["Hello page one", ""]))
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    picture, words = first.content
    assert isinstance(picture, Image)
    assert words == Text("Hello page one")
    assert (first.id, first.locator, first.modality) == ("page=1", "page=1", "page")
    assert max(PillowImage.open(io.BytesIO(picture.data)).size) <= 1024
    assert len(second.content) == 1


def test_a_broken_page_fails_alone(tmp_path: Path, make_pdf: Callable[..., bytes]) -> None:
    first, second, third = items(tmp_path / "a.pdf", make_pdf(["a", "b", "c"], broken=1))
    assert isinstance(second, Failure)
    assert (second.locator, second.error) == ("page=2", "BrokenPage")
    assert isinstance(first, Record)
    assert isinstance(third, Record)


def test_an_encrypted_pdf_says_so(tmp_path: Path, make_pdf: Callable[..., bytes]) -> None:
    failed = failure(tmp_path / "a.pdf", make_pdf(["a"], encrypted=True))
    assert failed.error == "EncryptedPdf"
    assert "encrypted" in failed.message


def test_page_limit_is_named(tmp_path: Path, make_pdf: Callable[..., bytes]) -> None:
    failed = failure(tmp_path / "a.pdf", make_pdf(["a", "b"]), limits=Limits(max_pages=1))
    assert (failed.error, failed.message) == (
        "TooManyPages",
        "the PDF has 2 pages; max_pages allows 1",
    )


@pytest.mark.parametrize("name", ["photo.jpg.json", "photo.json"])
def test_a_sidecar_is_metadata(tmp_path: Path, png_bytes: bytes, name: str) -> None:
    (tmp_path / name).write_text('{"year": 2024, "tags": ["a"]}')
    assert one(tmp_path / "photo.jpg", png_bytes).metadata == {"year": 2024, "tags": ["a"]}


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": ' * 200 + "1" + "}" * 200])
def test_a_bad_sidecar_has_a_reason(tmp_path: Path, png_bytes: bytes, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert failure(tmp_path / "a.png", png_bytes).error in ("BadSidecar", "MetadataTooLarge")


def test_path_parts_are_metadata(tmp_path: Path) -> None:
    folder = tmp_path / "en" / "2024"
    folder.mkdir(parents=True)
    record = one(folder / "a-b.txt", "x", path_pattern="{lang}/{year}/{who}-*.txt")
    assert record.metadata == {"lang": "en", "year": 2024, "who": "a"}
    assert one(folder / "ab.md", "x", path_pattern="{lang}/{year}/*.txt").metadata == {}


def test_an_unknown_type_lists_the_known(tmp_path: Path) -> None:
    failed = failure(tmp_path / "a.xyz", "x")
    assert failed.error == "UnknownType"
    assert ".parquet" in failed.message
