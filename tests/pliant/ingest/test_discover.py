from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from pliant.errors import InvalidInputError, NotFoundError
from pliant.ingest.discover import DiscoverOptions, Source, discover
from pliant.ingest.failure import Failure

ALL = [
    "docs/.git/x.txt",
    "docs/.hidden.txt",
    "docs/a.txt",
    "docs/b/1.md",
    "docs/b/2.txt",
    "docs/b/c/d.txt",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b/2.txt", "a.txt", "b/1.md", ".hidden.txt", ".git/x.txt", "b/c/d.txt"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docs"


def found(sources: Sequence[str], **options: object) -> list[str]:
    return [item.source for item in everything(sources, **options) if isinstance(item, Source)]


def everything(sources: Sequence[str], **options: object) -> list[Source | Failure]:
    return list(discover(sources, DiscoverOptions.model_validate(options)))


def failures(sources: Sequence[str]) -> dict[str, str]:
    return {item.source: item.error for item in everything(sources) if isinstance(item, Failure)}


def test_a_folder_is_walked_in_order_whatever_the_names(folder: Path) -> None:
    assert found(["docs"]) == ALL


def test_what_a_job_writes_is_passed_over(folder: Path) -> None:
    skip = ["docs/b", str(folder / ".git"), "docs/.hidden.txt", "docs/absent"]
    assert found(["docs"], skip=skip) == ["docs/a.txt"]


def test_an_argument_may_be_hidden(folder: Path) -> None:
    assert found(["docs/.hidden.txt", "docs/.git"]) == ["docs/.hidden.txt", "docs/.git/x.txt"]


def test_the_source_is_as_typed_and_the_key_is_not(folder: Path) -> None:
    spellings = [
        "docs/a.txt",
        "./docs/a.txt",
        str(folder / "b/../a.txt"),
        (folder / "a.txt").as_uri(),
    ]
    items = [next(discover([spelling])) for spelling in spellings]
    sources = [item for item in items if isinstance(item, Source)]
    assert sources[1].source == "./docs/a.txt"
    assert {source.uri for source in sources} == {(folder / "a.txt").resolve().as_uri()}
    assert len({source.key for source in sources}) == 1


def test_a_file_reached_twice_comes_once(folder: Path) -> None:
    (folder / "link.txt").symlink_to("a.txt")
    assert found(["docs/a.txt", "docs", str(folder)])[:2] == ["docs/a.txt", "docs/.git/x.txt"]
    assert len(found(["docs", str(folder)])) == len(ALL)


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("docs/*.txt", ["docs/a.txt"]),
        ("docs/*", ["docs/a.txt", "docs/b/1.md", "docs/b/2.txt", "docs/b/c/d.txt"]),
        ("docs/**/*.txt", ["docs/a.txt", "docs/b/2.txt", "docs/b/c/d.txt"]),
        ("docs/**", ALL),
        ("docs/**/c", ["docs/b/c/d.txt"]),
        ("docs/[ab]/?.md", ["docs/b/1.md"]),
        ("docs/.*.txt", ["docs/.hidden.txt"]),
    ],
)
def test_globs_expand_as_in_a_shell(folder: Path, glob: str, names: list[str]) -> None:
    assert found([glob]) == names


def test_a_name_with_brackets_is_a_name_first(folder: Path) -> None:
    (folder / "x[1].txt").write_text("x")
    assert found(["docs/x[1].txt"]) == ["docs/x[1].txt"]


@pytest.mark.parametrize("argument", ["nowhere", "docs/*.nothing", "docs/none/*.txt"])
def test_what_names_nothing_is_refused_at_once(folder: Path, argument: str) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        discover(["docs", argument])


@pytest.mark.parametrize("argument", ["nosuch://bucket/x", "https://host/a.png", ""])
def test_unknown_places_and_empty_arguments_are_refused(argument: str) -> None:
    with pytest.raises(InvalidInputError, match=r"no such kind|--allow-host host|empty"):
        discover([argument])


def test_a_file_of_unknown_name_is_known_by_its_content(folder: Path) -> None:
    (folder / "noname").write_bytes(b"%PDF-1.4")
    assert "docs/noname" in found(["docs"])


def test_a_forced_reader_takes_every_file(folder: Path) -> None:
    (folder / "x.bad").write_text("x")
    assert "docs/x.bad" in found(["docs"], reader="txt")
    with pytest.raises(InvalidInputError, match=r"no reader 'tzt'.*txt"):
        discover(["docs"], DiscoverOptions(reader="tzt"))


def test_include_and_exclude_match_names_and_paths(folder: Path) -> None:
    assert found(["docs"], include=["*.md"]) == ["docs/b/1.md"]
    assert found(["docs"], exclude=["b", ".*"]) == ["docs/a.txt"]
    assert found(["docs"], exclude=["b/*.txt", "c", ".*"]) == ["docs/a.txt", "docs/b/1.md"]
    assert everything(["docs"], include=["nothing"]) == []


def test_limit_counts_sources(folder: Path) -> None:
    (folder / "a.bad").write_text("x")
    assert found(["docs"], limit=2) == ALL[:2]
    assert everything(["docs"], limit=0) == []


def test_an_unknown_type_is_a_failure_that_lists_the_known(folder: Path) -> None:
    (folder / "x.bad").write_text("x")
    (folder / "noname").write_text("x")
    assert failures(["docs"]) == {"docs/noname": "UnknownType", "docs/x.bad": "UnknownType"}
    (failed,) = [item for item in everything(["docs/x.bad"]) if isinstance(item, Failure)]
    assert (failed.stage, failed.locator) == ("discover", "")
    assert ".parquet" in failed.message


def test_a_folder_with_a_suffix_is_walked(folder: Path) -> None:
    (folder / "x.png").mkdir()
    (folder / "x.png" / "y.txt").write_text("y")
    assert "docs/x.png/y.txt" in found(["docs"])


def test_special_files_are_failures_and_never_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("docs/socket.txt")
        (folder / "loop").symlink_to(".")
        (folder / "self").symlink_to("self")
        (folder / "gone").symlink_to("nothing")
        (folder / "b" / "up").symlink_to("..")
        assert failures(["docs"]) == {
            "docs/pipe.txt": "NotAFile",
            "docs/socket.txt": "NotAFile",
            "docs/loop": "LinkLoop",
            "docs/self": "LinkLoop",
            "docs/gone": "BrokenLink",
            "docs/b/up": "LinkLoop",
        }
    assert failures(["/dev/null"]) == {"/dev/null": "NotAFile"}


def test_a_linked_folder_is_followed_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "o.txt").write_text("o")
    (folder / "l1").symlink_to("../other")
    (folder / "l2").symlink_to("../other")
    given = found(["docs"], follow_links=True)
    assert [name for name in given if "o.txt" in name] == ["docs/l1/o.txt"]


def test_links_out_of_the_source_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "o.txt").write_text("o")
    (folder / "l1").symlink_to("../other")
    (folder / "l2.txt").symlink_to(tmp_path / "other" / "o.txt")
    (folder / "inside").symlink_to("b/c")
    assert failures(["docs"]) == {"docs/l1": "LinkOutside", "docs/l2.txt": "LinkOutside"}
    assert failures(["docs/*.txt"]) == {"docs/l2.txt": "LinkOutside"}
    assert "docs/inside/d.txt" in found(["docs/inside", "docs"])
    assert found(["docs/l2.txt"]) == ["docs/l2.txt"]  # what is typed is meant


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_folder_is_a_failure(folder: Path) -> None:
    (folder / "b").chmod(0)
    assert failures(["docs"]) == {"docs/b": "UnreadableFolder"}


def test_odd_names_are_escaped(folder: Path) -> None:
    name = os.fsdecode(b"docs/no\xeb\n.txt")
    Path(name).write_text("x")
    (source,) = [item for item in everything(["docs"]) if "no%EB" in item.source]
    assert isinstance(source, Source)
    assert source.source == "docs/no%EB\n.txt"
    assert source.uri.endswith("/docs/no%EB%0A.txt")
    assert Path(source.path).read_text() == "x"


def test_a_root_makes_keys_portable(folder: Path, tmp_path: Path) -> None:
    uris = [item.uri for item in everything(["docs"], root="R") if isinstance(item, Source)]
    assert uris == [name.replace("docs", "R", 1) for name in ALL]
    globbed = everything(["docs/*/*.md"], root="R")
    assert [item.uri for item in globbed if isinstance(item, Source)] == ["R/b/1.md"]


def test_equal_keys_under_a_root_are_a_failure(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.txt").write_text("other")
    errors = [item for item in everything(["docs", "more"], root="R") if isinstance(item, Failure)]
    assert [(item.source, item.error) for item in errors] == [("more/a.txt", "SameKey")]
    assert len(found(["docs", "more"])) == len(ALL) + 1


def test_used_sidecars_are_no_sources(folder: Path) -> None:
    for name in ("p.jpg", "p.jpg.json", "q.MP4", "q.json", "alone.json", "a.txt.json"):
        (folder / name).write_text("{}")
    assert failures(["docs"]) == {"docs/alone.json": "UnknownType"}


def test_discovery_is_lazy(folder: Path) -> None:
    items = discover(["docs"])
    next(items)
    (folder / "b" / "9.txt").write_text("late")
    assert "docs/b/9.txt" in [item.source for item in items]


def test_very_deep_folders_are_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(*["d"] * 300)
    path.mkdir(parents=True)
    (path / "a.txt").write_text("a")
    assert list(failures(["d"]).values()) == ["TooDeep"]
