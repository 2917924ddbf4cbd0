from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pliant.content import Text
from pliant.encoder import Encoder, load
from pliant.encoder.backends import bert
from pliant.encoder.batching import micro_batches, share
from pliant.encoder.pooling import POOLS, Pooling
from pliant.errors import InvalidInputError, UnavailableError

MakeModel = Callable[..., Path]

TEXTS = [
    "a red bicycle",
    "x",
    "The quick brown fox jumps over the lazy dog. " * 40,
    *(f"{'one two three ' * number}end" for number in range(1, 40, 3)),
]
WITHOUT_TORCH = """
import sys
import pliant
encoder = pliant.load(sys.argv[1])
batch = encoder.prepare([(pliant.Text("a dog"),)])
assert encoder.space_id and encoder.token_offsets("a dog") and len(batch) == 1
loaded = {"torch", "transformers", "openvino"} & set(sys.modules)
assert not loaded, loaded
"""
WITHOUT_TELEMETRY = """
import sys
import pliant
assert pliant.load(engine="openvino").encode(["a dog"]).values.shape == (1, 384)
loaded = {"torch", "transformers", "openvino_telemetry"} & set(sys.modules)
assert not loaded, loaded
"""


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return load(precision="fp32", device="cpu", engine="torch").encode(TEXTS).values


@pytest.fixture
def compiled() -> None:
    pytest.importorskip("openvino", reason="the package openvino is not installed")


@pytest.mark.usefixtures("compiled")
def test_compiled_bf16_stays_within_the_promised_cosine(reference: np.ndarray) -> None:
    ours = load(precision="bf16", device="cpu", engine="openvino", threads=2).encode(TEXTS).values
    assert (ours * reference).sum(1).min() >= 0.9995


@pytest.mark.usefixtures("compiled")
def test_compiled_fp32_equals_torch(reference: np.ndarray) -> None:
    ours = load(precision="fp32", device="cpu", engine="openvino", threads=1)
    assert ours.engine == "openvino"
    assert np.abs(ours.encode(TEXTS).values - reference).max() <= 1e-5  # sums in another order


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("mode", list(POOLS))
def test_engines_agree_in_every_pooling_mode(make_model: MakeModel, mode: str) -> None:
    folder = str(make_model({"pooling_mode": mode}))
    ours, theirs = (
        load(folder, precision="fp32", device="cpu", engine=engine).encode(TEXTS[:3]).values
        for engine in ("openvino", "torch")
    )
    assert np.abs(ours - theirs).max() <= 1e-5  # sums in another order


@pytest.mark.parametrize("mode", list(POOLS))
def test_arrays_and_tensors_are_pooled_alike(mode: str) -> None:
    chance = np.random.default_rng(0)
    states = chance.standard_normal((3, 5, 4)).astype(np.float32)
    mask = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 1, 0, 0, 0]], np.float32)
    pooling = Pooling((mode,))
    tensors = pooling(torch.from_numpy(states), torch.from_numpy(mask)).numpy()
    np.testing.assert_allclose(pooling(states, mask), tensors, rtol=1e-6)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_widened(make_model: MakeModel, dtype: torch.dtype) -> None:
    folder = make_model()
    path = folder / "model.safetensors"
    save_file({name: value.to(dtype) for name, value in load_file(path).items()}, path)
    ours, theirs = (
        load(str(folder), precision="fp32", device="cpu", engine=engine).encode(TEXTS[:3]).values
        for engine in ("openvino", "torch")
    )
    assert np.abs(ours - theirs).max() <= 1e-5  # sums in another order


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("kept", [-100, 4])
def test_broken_weights_are_named(make_model: MakeModel, kept: int) -> None:
    path = make_model() / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnavailableError, match=r"model\.safetensors.*cannot be read"):
        load(str(path.parent), device="cpu", engine="openvino").encode(["a"])


def test_other_architectures_run_by_torch(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bert, "fits", lambda _: False)
    with caplog.at_level(logging.INFO, "pliant"):
        assert load(str(tiny_model), device="cpu").engine == "torch"
    assert "runs by torch: it knows BERT and no other" in caplog.text
    with pytest.raises(InvalidInputError, match=r"'openvino': it knows BERT.*allowed.*torch"):
        load(str(tiny_model), device="cpu", engine="openvino")


def test_without_the_package_torch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pliant.encoder.engines.find_spec", lambda _: None)
    assert load(device="cpu").engine == "torch"
    with pytest.raises(InvalidInputError, match="openvino is not installed"):
        load(device="cpu", engine="openvino")


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"engine 'onnx'.*auto, torch, openvino"):
        load(engine="onnx")


@pytest.mark.parametrize("name", ["pliant-mini", "directory"])
def test_preparing_imports_no_torch(tiny_model: Path, name: str) -> None:
    model = str(tiny_model) if name == "directory" else name
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, model], check=True)


@pytest.mark.usefixtures("compiled")
def test_compiled_text_needs_neither_torch_nor_telemetry() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TELEMETRY], check=True)


def test_the_streams_share_a_small_batch(exact: Encoder) -> None:
    batch = exact.prepare([(Text(text),) for text in TEXTS[3:]])
    budget = share(batch, 2)
    assert 256 <= budget < 2048
    assert len(list(micro_batches(batch, budget))) >= 2
