"""Every kind of file: what its records hold, and that a locator leads to what was embedded."""

from __future__ import annotations

import io
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image as PillowImage

from pliant.content import Image, Record, Text, Video, text_of
from pliant.ingest.discover import DiscoverOptions, discover, source_of
from pliant.ingest.failure import Failure
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.read import read
from pliant.ingest.readers import READERS
from pliant.media import decode_image
from pliant_jobs.samples import kinds

WORDS = "A heron waits by the weir"


def items(path: Path, data: bytes | str, **options: Any) -> list[Record | Failure]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read(source_of(path), ReadOptions(**options)))


def records(path: Path, data: bytes | str, **options: Any) -> dict[str, Record]:
    given = items(path, data, **options)
    assert all(isinstance(item, Record) for item in given), given
    return {item.locator: item for item in given if isinstance(item, Record)}


def failed(path: Path, data: bytes | str, **options: Any) -> tuple[str, str]:
    (item,) = items(path, data, **options)
    assert isinstance(item, Failure), item
    return item.error, item.message


def test_there_is_a_sample_of_every_kind() -> None:
    aliases = {".htm", ".jsx", ".mjs", ".tsx", ".h", ".cc", ".hpp", ".xls", ".sqlite3", ".db",
               ".jpeg", ".heic", ".heif", ".tif", ".m4v", ".tgz", ".gz", ".zst"}  # fmt: skip
    assert set(READERS) - aliases == {name for name in kinds.MAKERS if name.count(".") == 1}


@pytest.mark.parametrize("suffix", list(kinds.MAKERS))
def test_every_kind_is_read_under_its_own_and_under_a_foreign_name(
    tmp_path: Path, suffix: str
) -> None:
    data = kinds.make(suffix, WORDS)
    own = records(tmp_path / f"a{suffix}", data)
    assert own
    texts = "\n".join(text_of(record.content) for record in own.values())
    pictures = [part for one in own.values() for part in one.content if not isinstance(part, Text)]
    assert WORDS in texts or pictures
    if not _is_text(data):
        assert records(tmp_path / "b.txt", data).keys() == own.keys()


def _is_text(data: bytes) -> bool:
    return b"\0" not in data and not data.startswith(b"%PDF")


def test_functions_are_pieces_and_lines_lead_to_them(tmp_path: Path) -> None:
    code = "import os\n\n\n# why\n@cache\ndef one():\n    return 1\n\n\nclass Two:\n    x = 1\n"
    given = records(tmp_path / "a.py", code)
    assert list(given) == ["lines=1-3", "lines=4-7", "lines=10-11"]
    for locator, record in given.items():
        begin, end = map(int, locator.removeprefix("lines=").split("-"))
        assert text_of(record.content) == "".join(code.splitlines(keepends=True)[begin - 1 : end])


def test_a_long_class_is_cut_between_its_methods(tmp_path: Path) -> None:
    body = "".join(f"    def f{n}(self):\n        return {n}\n\n" for n in range(30))
    given = records(tmp_path / "a.py", f"class A:\n{body}")
    assert len(given) == 31
    assert text_of(given["lines=2-3"].content).strip().startswith("def f0")


def test_mail_has_headers_and_attachments(tmp_path: Path) -> None:
    given = records(tmp_path / "a.eml", kinds.eml(WORDS))
    assert text_of(given[""].content) == WORDS
    assert given[""].metadata == {
        "from": "a@example.com", "to": "b@example.com", "subject": "Sample",
        "date": "2024-05-07T10:00:00+02:00",
    }  # fmt: skip
    assert text_of(given["member=notes.txt"].content) == f"attached: {WORDS}"


def test_a_mailbox_is_cut_into_messages(tmp_path: Path) -> None:
    given = records(tmp_path / "a.mbox", kinds.mbox(WORDS))
    assert text_of(given["message=1"].content) == f"{WORDS}\nFrom here on it goes well."
    assert given["message=2"].metadata["subject"] == "Two"


def test_cues_are_joined_to_segments(tmp_path: Path) -> None:
    cues = [(0, 2, "one"), (3, 5, "<i>two</i>"), (11, 12, "three")]
    text = "".join(
        f"{n}\n00:00:{a:02},000 --> 00:00:{b:02},500\n{words}\n\n"
        for n, (a, b, words) in enumerate(cues)
    )
    given = records(tmp_path / "a.srt", text, segment_seconds=10)
    assert {locator: text_of(one.content) for locator, one in given.items()} == {
        "t=0.0-5.5": "one\ntwo",
        "t=11.0-12.5": "three",
    }


def test_subtitles_beside_a_video_are_text_of_its_segments(tmp_path: Path, clip_mp4: Path) -> None:
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nred\n\n"
                                    "00:05.000 --> 00:06.000\ngreen\n")  # fmt: skip
    given = records(tmp_path / "a.mp4", clip_mp4.read_bytes(), segment_seconds=4)
    assert [text_of(one.content) for one in given.values()] == ["red", "green", ""]
    assert {one.modality for one in given.values()} == {"video"}
    assert [item.source for item in discover([str(tmp_path)]) if not isinstance(item, Failure)] == [
        str(tmp_path / "a.mp4")
    ]


def test_scenes_are_cut_where_the_picture_changes(tmp_path: Path, clip_mp4: Path) -> None:
    given = records(
        tmp_path / "a.mp4", clip_mp4.read_bytes(), segment_by="scene", segment_seconds=60
    )
    assert list(given) == ["t=0.0-4.0", "t=4.0-8.0", "t=8.0-12.0"]


def test_sheets_have_typed_rows(tmp_path: Path) -> None:
    given = records(tmp_path / "a.xlsx", kinds.make(".xlsx", WORDS))
    assert list(given) == ["sheet=Prices;row=0", "sheet=Prices;row=1"]
    assert given["sheet=Prices;row=1"].metadata == {"n": 2}
    assert (
        failed(tmp_path / "a.xlsx", kinds.make(".xlsx", WORDS), table="Price")[0] == "MissingTable"
    )


def test_a_table_of_a_database_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE a (text); INSERT INTO a VALUES ('x'); CREATE TABLE b (text, n);"
        "INSERT INTO b VALUES ('y', 1), (NULL, 2); CREATE VIEW v AS SELECT * FROM a;"
    )
    connection.close()
    given = items(path, path.read_bytes())
    assert [item.locator for item in given] == ["table=a;row=0", "table=b;row=0", "table=b;row=1"]
    assert isinstance(given[2], Failure)
    assert len(items(path, path.read_bytes(), table="a")) == 1
    error, message = failed(path, path.read_bytes(), table="aa")
    assert error == "MissingTable"
    assert "did you mean" in message


def test_a_template_makes_the_content_of_a_row(tmp_path: Path) -> None:
    rows = "title,body,n\nHeron,It waits,3\n"
    given = records(tmp_path / "a.csv", rows, template="{title}. {body} ({n})")
    assert given["row=0"].content == (Text("Heron. It waits (3)"),)
    assert given["row=0"].metadata == {}
    assert failed(tmp_path / "a.csv", rows, template="{headline}")[0] == "MissingColumn"


def test_a_whole_table_is_one_record(tmp_path: Path) -> None:
    given = records(tmp_path / "birds.csv", "name,n\nHeron,3\nSwan,4\n", whole_table=True)
    assert text_of(given[""].content) == (
        "Table: birds\nColumns: name (str), n (int)\nHeron | 3\nSwan | 4"
    )


def test_a_datasets_folder_is_read_by_its_arrow_files(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("dataset_info.json", "state.json"):
        (folder / name).write_text("{}")
    (folder / "data-00000-of-00001.arrow").write_bytes(kinds.arrow(WORDS))
    (source,) = discover([str(folder)], DiscoverOptions())
    assert not isinstance(source, Failure)
    assert [item.locator for item in read(source)] == ["row=0", "row=1"]


def test_pages_of_a_tiff_are_pictures(tmp_path: Path) -> None:
    given = records(tmp_path / "a.tif", kinds.tiff(WORDS))
    with PillowImage.open(io.BytesIO(kinds.tiff(WORDS))) as image:
        for index, locator in enumerate(given):
            assert locator == f"page={index + 1}"
            image.seek(index)
            (part,) = given[locator].content
            assert isinstance(part, Image)
            assert _difference(decode_image(part.data), image.convert("RGB")) < 3


def _difference(one: PillowImage.Image, other: PillowImage.Image) -> float:
    pairs = zip(one.resize((16, 16)).tobytes(), other.resize((16, 16)).tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / 768


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_is_a_video(tmp_path: Path, kind: str) -> None:
    frames = [PillowImage.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=1000)
    given = records(tmp_path / "a.gif", buffer.getvalue(), segment_seconds=1, frames_per_segment=1)
    assert list(given) == ["t=0.0-1.0", "t=1.0-2.0", "t=2.0-3.0"]
    for channel, one in enumerate(given.values()):
        (clip,) = one.content
        assert isinstance(clip, Video)
        pixel = decode_image(clip.frames[0]).resize((1, 1)).tobytes()
        assert max(range(3), key=pixel.__getitem__) == channel


def test_a_photo_is_upright_and_has_its_time(tmp_path: Path) -> None:
    image = PillowImage.new("RGB", (40, 20), "red")
    exif = PillowImage.Exif()
    exif[0x0112], exif[0x0132] = 6, "2024:05:06 07:08:09"
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", exif=exif)
    (one,) = records(tmp_path / "a.tiff", buffer.getvalue()).values()
    (part,) = one.content
    assert isinstance(part, Image)
    assert decode_image(part.data).size == (20, 40)
    assert one.metadata["captured"] == "2024-05-06T07:08:09"


def test_slides_hold_their_text_and_their_pictures(tmp_path: Path) -> None:
    given = records(tmp_path / "a.pptx", kinds.make(".pptx", WORDS))
    assert [one.modality for one in given.values()] == ["interleaved", "text"]
    assert text_of(given["slide=2"].content) == f"{WORDS}, continued"


def test_documents_keep_headings_and_pictures(tmp_path: Path) -> None:
    given = records(tmp_path / "a.docx", kinds.make(".docx", WORDS))
    assert text_of(given[""].content).split() == ["#", "Heading", *WORDS.split()]
    assert given["picture=1"].modality == "image"
    odt = records(tmp_path / "a.odt", kinds.make(".odt", WORDS))
    assert text_of(odt[""].content) == f"## Heading\n\n{WORDS}"


def test_chapters_lead_back_to_their_pages(tmp_path: Path) -> None:
    book = kinds.make(".epub", WORDS)
    given = records(tmp_path / "a.epub", book)
    with zipfile.ZipFile(io.BytesIO(book)) as package:
        for locator, one in given.items():
            page = package.read(locator.removeprefix("member=")).decode()
            assert text_of(one.content).splitlines()[-1] in page
            assert one.metadata["title"] == "A book"


def test_a_page_without_text_can_be_recognised(
    tmp_path: Path, make_pdf: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reading_machine.py").write_text("def see(data):\n    return f'{data[:2]!r}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    given = records(tmp_path / "a.pdf", make_pdf(["", "b"]), ocr="reading_machine:see")
    assert text_of(given["page=1"].content) == repr(b"\xff\xd8")
    assert text_of(given["page=2"].content) == "b"


def test_a_page_has_its_section_label_and_links(tmp_path: Path) -> None:
    data = kinds.make(".pdf", WORDS)
    link = (
        b"/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 99 99] "
        b"/A << /S /URI /URI (https://example.com/a) >> >>] /MediaBox"
    )
    outline = (
        b"<< /Outlines << /First 9 0 R /Last 9 0 R /Count 1 >> "
        b"/PageLabels << /Nums [0 << /S /r >>] >> /Pages 2 0 R >>"
    )
    entry = b"9 0 obj\n<< /Title (Birds) /Dest [4 0 R /Fit] >>\nendobj\n5 0 obj"
    data = data.replace(b"/MediaBox", link).replace(b"<< /Pages 2 0 R >>", outline)
    (one,) = records(tmp_path / "a.pdf", data.replace(b"5 0 obj", entry)).values()
    assert one.metadata == {
        "section": "Birds", "page_label": "i", "links": ["https://example.com/a"],
    }  # fmt: skip


def test_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = kinds.avro(WORDS)
    monkeypatch.setitem(sys.modules, "fastavro", None)
    error, message = failed(tmp_path / "a.avro", data)
    assert error == "MissingLibrary"
    assert "pip install 'pliant[ingest]'" in message


@pytest.mark.parametrize(
    ("suffix", "limits", "error"),
    [
        (".tiff", Limits(max_pages=1), "TooManyPages"),
        (".tiff", Limits(max_pixels=100), "TooManyPixels"),
        (".svg", Limits(max_pixels=100), "TooManyPixels"),
        (".gif", Limits(max_frames=2), "TooManyFrames"),
        (".gif", Limits(max_seconds=0.5), "TooLong"),
        (".avif", Limits(max_bytes=100), "TooLarge"),
        (".pptx", Limits(max_pages=1), "TooManySlides"),
        (".epub", Limits(max_pages=1), "TooManyChapters"),
        (".docx", Limits(max_members=2), "TooManyMembers"),
        (".odt", Limits(max_text_bytes=100), "TooLarge"),
        (".py", Limits(max_text_bytes=10), "TooLarge"),
        (".srt", Limits(max_text_bytes=10), "TooLarge"),
    ],
)
def test_limits_are_named(tmp_path: Path, suffix: str, limits: Limits, error: str) -> None:
    given = items(tmp_path / f"a{suffix}", kinds.make(suffix, WORDS), limits=limits)
    found = [item for item in given if isinstance(item, Failure)]
    assert error in {item.error for item in found}
    assert next(iter(limits.model_fields_set)) in found[0].message


def test_nothing_that_a_drawing_links_to_is_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(kinds.picture("secret"))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'width="20" height="20"><image xlink:href="{}" width="20" height="20"/></svg>'
    )
    for link in (tmp_path / "secret.png", (tmp_path / "secret.png").as_uri()):
        (one,) = records(tmp_path / "a.svg", svg.format(link)).values()
        (part,) = one.content
        assert isinstance(part, Image)
        assert decode_image(part.data).getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("name", ["word/document.xml", "xl/workbook.xml"])
def test_entities_are_never_expanded(tmp_path: Path, name: str) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    suffix = ".docx" if name.startswith("word") else ".xlsx"
    assert failed(tmp_path / f"a{suffix}", kinds.zipped({name: bomb}))[0] == "ForbiddenEntities"


def test_arrow_batches_before_a_broken_one_are_kept(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    table = pa.table({"text": ["a" * 50, "b" * 50]})
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
        begin = buffer.tell()
        writer.write_table(table)
    given = items(tmp_path / "a.arrow", buffer.getvalue()[: begin + 90])
    assert [type(item) for item in given] == [Record, Record, Failure]
