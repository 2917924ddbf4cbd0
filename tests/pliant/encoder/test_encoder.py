from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pliant.content import Text
from pliant.encoder import Batch, Encoder, Item, load
from pliant.encoder.arithmetic import choose_device, choose_dtype, has_native_bf16
from pliant.encoder.batching import micro_batches
from pliant.errors import InvalidInputError

MakeModel = Callable[..., Path]

TEXTS = ["a red bicycle", "b", "the third of the texts is the longest one", "a red bicycle"]


def contents(texts: list[str]) -> list[tuple[Text]]:
    return [(Text(text),) for text in texts]


def test_vectors_are_unit_float32_in_the_order_given(exact: Encoder) -> None:
    values = exact.encode(TEXTS).values
    assert values.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(values[0], values[3], atol=1e-6)
    assert abs(values[0] @ values[1]) < 0.99


def test_no_inputs_give_no_vectors(exact: Encoder) -> None:
    assert exact.encode([]).values.shape == (0, 384)


@pytest.mark.parametrize("dim", [256, 128, 64, 32, 100])
def test_fewer_dimensions_are_the_first_ones_at_unit_length(exact: Encoder, dim: int) -> None:
    small = exact.encode(TEXTS, subnetwork=f"d6-w1-{dim}").values
    np.testing.assert_allclose(small, exact.encode(TEXTS).truncate(dim).values, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("d3-w1-384", "depth 3.*allowed: 6"),
        ("d6-w0.5-384", "width 0.5.*allowed: 1"),
        ("d6-w1-385", "dim 385.*allowed: 1 to 384"),
        ("d6-w1-384-int8", "precision int8.*allowed: fp32, bf16"),
        ("d6-w1-384-r128", "resolution 128.*the model's own"),
        ("d6-w1-384-f2", "frames 2.*allowed: all"),
        ("d6-w1-384-sL3", "stitch L3.*allowed: none"),
        ("auto", "chosen by a running service.*full"),
        ("half", "'half' is not of the form"),
    ],
)
def test_what_is_not_offered_is_named_with_what_is(exact: Encoder, name: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        exact.encode(["a"], subnetwork=name)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([""], "nothing to embed"),
        ([" \n"], "nothing to embed"),
        ([()], "nothing to embed"),
        (["a", "b", ""], "input 2: nothing to embed"),
        (["\ud800"], "lone surrogate"),
        ([b"bytes"], "input 0 is a bytes; allowed: a string"),
        ("a string", "takes a list"),
    ],
)
def test_bad_inputs_say_what_is_wrong(exact: Encoder, inputs: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        exact.encode(inputs)


def test_a_bad_role_is_refused(exact: Encoder) -> None:
    with pytest.raises(InvalidInputError, match=r"role 'passage'.*query, document"):
        exact.encode(["a"], role="passage")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "int8"}, "precision 'int8'.*fp32, bf16"),
        ({"device": "tpu"}, "device 'tpu'.*cpu, cuda"),
        ({"threads": 0}, "threads 0.*1 or more"),
    ],
)
def test_bad_options_of_load_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        load(**options)


def test_one_bad_item_leaves_its_neighbours(exact: Encoder) -> None:
    good, bad, other = exact.prepare_each(contents(["a", "", "b"]))
    assert isinstance(good, Item)
    assert isinstance(bad, InvalidInputError)
    assert isinstance(other, Item)


def test_a_text_of_300_000_characters_is_cut(exact: Encoder) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 6700
    (item,) = exact.prepare(contents([text])).items
    assert item.cost == 256
    np.testing.assert_array_equal(
        item.tokens, exact.prepare(contents([text[:5000]])).items[0].tokens
    )


def test_a_long_text_without_spaces_is_cut(exact: Encoder) -> None:
    assert exact.prepare(contents(["é;" * 150_000])).items[0].cost == 256


def test_a_long_text_is_an_error_when_it_must_not_be_cut(exact: Encoder) -> None:
    with pytest.raises(InvalidInputError, match=r"302 tokens.*256"):
        exact.prepare(contents(["a " * 300]), truncate=False)


def test_token_offsets_point_at_the_characters(exact: Encoder) -> None:
    text = "Ünïcödé bicycles, 東京"
    offsets = exact.token_offsets(text)
    assert [text[start:end] for start, end in offsets][-2:] == ["東", "京"]
    assert len(offsets) == exact.count_tokens(text)
    assert exact.count_tokens("word " * 1000) == 1000
    assert exact.max_tokens == 254


def test_batches_are_selections_of_items(exact: Encoder) -> None:
    batch = exact.prepare(contents(TEXTS))
    joined = Batch.join([batch.take([2]), batch.take([0, 1])])
    assert joined.costs.tolist() == batch.costs[[2, 0, 1]].tolist()
    assert len(joined) == 3


def test_pickled_items_give_equal_vectors(exact: Encoder) -> None:
    batch = exact.prepare(contents(TEXTS))
    copies = Batch(tuple(pickle.loads(pickle.dumps(item)) for item in batch.items))
    np.testing.assert_array_equal(exact.embed(batch), exact.embed(copies))


def test_what_one_process_prepares_another_embeds(exact: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "batch"
    program = (
        "import pickle, sys, pliant; e = pliant.load(); "
        "b = e.prepare([(pliant.Text(t),) for t in sys.argv[2:]]); "
        "assert not e.backbone._text._networks; open(sys.argv[1], 'wb').write(pickle.dumps(b))"
    )
    subprocess.run([sys.executable, "-c", program, str(path), *TEXTS], check=True)
    there = exact.embed(pickle.loads(path.read_bytes()))
    np.testing.assert_allclose(there, exact.encode(TEXTS).values, atol=1e-6)


def test_windows_prepared_ahead_change_nothing(
    exact: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exact.encode(TEXTS).values
    monkeypatch.setattr("pliant.encoder.encoder.WINDOW", 1)
    np.testing.assert_allclose(exact.encode(TEXTS).values, whole, atol=1e-6)
    with pytest.raises(InvalidInputError, match="input 4: nothing"):
        exact.encode([*TEXTS, ""])


def test_micro_batches_hold_every_item_once_within_the_budget() -> None:
    chance = np.random.default_rng(0)
    items = [Item(np.zeros(length, np.int32)) for length in chance.integers(1, 300, 200)]
    parts = list(micro_batches(Batch(tuple(items)), 4096))
    assert sorted(index for part in parts for index in part) == list(range(200))
    for part in parts:
        longest = max(len(items[index].tokens) for index in part)
        assert longest * len(part) <= 4096
    assert len(parts) <= 1.3 * sum(item.cost for item in items) / 4096


def test_the_space_depends_on_what_decides_vectors(exact: Encoder, make_model: MakeModel) -> None:
    other = load(precision="bf16", threads=1)
    assert exact.space_id == other.space_id == exact.space_id_of("d6-w1-384-fp32")
    assert exact.space_id != exact.space_id_of("d6-w1-128")
    folder = make_model()
    spaces = {load(str(folder)).space_id}
    changes = {
        "1_Pooling/config.json": '{"pooling_mode": "cls"}',
        "sentence_bert_config.json": '{"max_seq_length": 32}',
        "config_sentence_transformers.json": '{"prompts": {"query": "q: "}}',
    }
    for name, text in changes.items():
        (folder / name).write_text(text, encoding="utf8")
        spaces.add(load(str(folder)).space_id)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    spaces.add(load(str(folder)).space_id)
    assert len(spaces) == 5
    (folder / "README.md").write_text("no matter", encoding="utf8")
    assert load(str(folder)).space_id in spaces


def test_native_bf16_is_read_from_the_flags(tmp_path: Path) -> None:
    for flags, native in (("fpu avx512_bf16 sse", True), ("fpu avx512f", False)):
        path = tmp_path / flags
        path.write_text(f"model name\t: x\nflags\t\t: {flags}\n")
        assert has_native_bf16(path) is native
    assert not has_native_bf16(tmp_path / "absent")
    assert str(choose_dtype(None, choose_device("cpu"), bf16=False)) == "torch.float32"
