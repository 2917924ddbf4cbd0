"""`pliant encode`, `pliant models` and `pliant bench`: what they write and what they refuse."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet
import pytest

import pliant
from pliant.errors import InvalidInputError, NotFoundError, UnavailableError
from pliant_jobs import encode, models
from pliant_jobs.bench import main as bench
from pliant_jobs.bench import peers
from pliant_jobs.bench.encode import lengths
from pliant_jobs.bench.texts import cut_texts


def test_texts_become_rows_of_an_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "deep" / "vectors.npy"
    assert encode.main(["a red bicycle", "a dog", "--output", str(output), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["vectors"], answer["dim"], answer["subnetwork"]) == (2, 384, "d6-w1-384")
    wanted = pliant.load().encode(["a red bicycle", "a dog"]).values
    np.testing.assert_allclose(np.load(output), wanted, atol=1e-2)  # bf16 arithmetic


def test_lines_of_stdin_are_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = SimpleNamespace(buffer=io.BytesIO(b"one\n\ntwo\n"), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", lines)
    output = tmp_path / "vectors.npy"
    command = ["--output", str(output), "--role", "query", "--subnetwork", "d6-w1-64", "--quiet"]
    assert encode.main(command) == 0
    assert np.load(output).shape == (2, 64)


def test_a_file_becomes_a_table_with_locators(tmp_path: Path) -> None:
    source, output = tmp_path / "notes.md", tmp_path / "notes.parquet"
    source.write_text("# Bicycles\n\n" + "A red bicycle leans on a wall. " * 60, encoding="utf8")
    assert encode.main(["--file", str(source), "--output", str(output), "--quiet"]) == 0
    rows = pyarrow.parquet.read_table(output).to_pylist()
    assert len(rows) > 1
    assert {row["source"] for row in rows} == {str(source)}
    assert rows[0]["locator"].startswith("chars=0-")
    assert "bicycle" in rows[0]["text"]
    assert len(rows[0]["vector"]) == 384


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a"], "--output is missing"),
        (["a", "--output", "x.txt"], r"must be FILE\.npy or FILE\.parquet"),
        (["a", "--file", "b.png", "--output", "x.npy"], "not both"),
        (["a", "--output", "x.npy", "--subnetwork", "d3-w1-384"], "depth 3"),
        (["", "--output", "x.npy"], "nothing to embed"),
    ],
)
def test_wrong_usage_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        encode.main(words)


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing-here"):
        encode.main(["--file", "nothing-here.png", "--output", str(tmp_path / "x.npy")])


def test_a_broken_file_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(UnavailableError, match=r"broken\.png"):
        encode.main(["--file", str(broken), "--output", str(tmp_path / "x.npy")])


def test_models_show_describes_the_built_in_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert models.main(["show", "pliant-mini", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["space_id"] == pliant.load().space_id
    assert answer["dims"] == [384, 256, 128, 64, 32]
    assert answer["weights_present"] is True
    assert set(answer["licences"].values()) == {"Apache-2.0", "WordNet"}
    for name in answer["subnetworks"]:
        pliant.load().subnetwork(name)


def test_models_list_names_the_built_in_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert models.main([]) == 0
    assert capsys.readouterr().out.startswith("pliant-mini  384 dimensions  text, image")


@pytest.mark.parametrize("words", [["shwo", "x"], ["show"], ["list", "x"]])
def test_models_refuses_other_words(words: list[str]) -> None:
    with pytest.raises(InvalidInputError, match=r"show|takes no name"):
        models.main(words)


def test_a_bench_that_does_not_exist_suggests_the_nearest() -> None:
    with pytest.raises(InvalidInputError, match="did you mean encode"):
        bench(["encod"])


def test_texts_have_the_lengths_asked_for() -> None:
    asked = lengths("short", 20) + lengths("mixed", 20)
    encoder = pliant.load()
    texts = cut_texts(asked)
    assert texts == cut_texts(asked)
    assert len(set(texts)) == 40
    for text, wanted in zip(texts, asked, strict=True):
        assert wanted <= encoder.count_tokens(text) < wanted + 25


def test_the_mixed_set_has_its_mean() -> None:
    mixed = lengths("mixed", 2000)
    assert 95 < sum(mixed) / 2000 < 108


def test_a_missing_baseline_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "ENVIRONMENT", tmp_path / "absent")
    with pytest.raises(UnavailableError, match="make peers"):
        peers.peer_python("no_such_module")


def test_a_baseline_that_dies_gives_its_last_words(tmp_path: Path) -> None:
    script = tmp_path / "peer.py"
    script.write_text("raise SystemExit('out of luck')")
    with (
        peers.Peer(script, "json", 1) as peer,
        pytest.raises(UnavailableError, match="out of luck"),
    ):
        peer("start")


def test_help_needs_no_torch() -> None:
    program = (
        "import sys, pliant_jobs.encode, pliant_jobs.models, pliant_jobs.bench.encode; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'ray', 'transformers')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
