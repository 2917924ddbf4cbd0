from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pliant.content import Image, Text
from pliant.encoder import Encoder, load
from pliant.encoder.backends import bert
from pliant.errors import InvalidInputError, NotFoundError

MakeModel = Callable[..., Path]

EXACT = 1e-5  # two fp32 implementations with sums in another order
TEXTS = [
    "a red bicycle",
    "x",
    "The quick brown fox jumps over the lazy dog. " * 40,
    "Ünïcödé — 東京 and emoji 🚲",
    "one two three four five six seven eight nine ten eleven twelve",
]


def reference(folder: Path, **kwargs: Any) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True, **kwargs)


def test_minilm_equals_sentence_transformers(minilm: Path, exact: Encoder) -> None:
    theirs = reference(minilm).encode(TEXTS)
    assert np.abs(exact.encode(TEXTS).values - theirs).max() <= EXACT
    assert np.abs(load(str(minilm), precision="fp32").encode(TEXTS).values - theirs).max() <= EXACT


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_of_the_reference_changes_nothing(
    minilm: Path, exact: Encoder, side: str
) -> None:
    theirs = reference(minilm)
    theirs.tokenizer.padding_side = side
    short = [TEXTS[0], TEXTS[4]]
    ids = theirs.tokenizer(short, padding=True, return_tensors="pt")
    assert ids["attention_mask"][0, 0 if side == "left" else -1] == 0
    positions = (ids["attention_mask"].cumsum(1) - 1).clamp(min=0)
    with torch.inference_mode():
        states = theirs[0].model(**ids, position_ids=positions).last_hidden_state
    mask = ids["attention_mask"]
    pooled = exact.backbone.pooling(states, mask)
    wanted = torch.nn.functional.normalize(pooled, dim=1).numpy()
    assert np.abs(exact.encode(short).values - wanted).max() <= EXACT


def test_the_company_of_a_text_does_not_change_its_vector(exact: Encoder) -> None:
    together = exact.encode(TEXTS).values
    alone = np.concatenate([exact.encode([text]).values for text in TEXTS])
    assert np.abs(together - alone).max() <= EXACT


@pytest.mark.parametrize(("precision", "least"), [("fp32", 1 - 1e-6), ("bf16", 0.9995)])
def test_texts_of_like_length_attend_together_as_alone(
    exact: Encoder, precision: str, least: float
) -> None:
    texts = [f"{'the quick brown fox ' * 5}{'jumps ' * number}" for number in range(7)]
    values = load(precision=precision, device="cpu").encode(texts).values
    alone = np.concatenate([exact.encode([text]).values for text in texts])
    assert (values * alone).sum(1).min() >= least


def test_bf16_stays_within_the_promised_cosine(exact: Encoder) -> None:
    ours = load(precision="bf16").encode(TEXTS).values
    assert (ours * exact.encode(TEXTS).values).sum(1).min() >= 0.9995


def test_scores_too_large_to_exponentiate_take_the_safe_path() -> None:
    from pliant.encoder.backends.attention import attend

    qkv = torch.randn((12, 3 * 64), generator=torch.Generator().manual_seed(0)) * 30
    fast = attend(qkv.bfloat16(), 2, 2).float()
    slow = attend(qkv.bfloat16().float(), 2, 2)
    assert torch.isfinite(fast).all()
    assert (fast - slow).abs().max() / slow.abs().max() < 0.05  # bf16 has 8 bits


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False},
        {"pooling_mode_lasttoken": True},
        {"pooling_mode": "mean_sqrt_len_tokens"},
        {"pooling_mode": "weightedmean"},
        {"pooling_mode": ["cls", "mean"]},
    ],
)
def test_every_pooling_equals_sentence_transformers(
    make_model: MakeModel, pooling: dict[str, Any]
) -> None:
    folder = make_model(pooling)
    theirs = reference(folder).encode(TEXTS)
    ours = load(str(folder), precision="fp32")
    assert np.abs(ours.encode(TEXTS).values - theirs).max() <= EXACT
    assert ours.dim == theirs.shape[1]


def test_a_dense_layer_is_applied(make_model: MakeModel) -> None:
    folder = make_model(normalised=False)
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    whole = reference(folder)
    torch.manual_seed(0)
    SentenceTransformer(modules=[*whole, Dense(384, 16)], device="cpu").save(str(folder / "dense"))
    theirs = reference(folder / "dense").encode(TEXTS, normalize_embeddings=True)
    ours = load(str(folder / "dense"), precision="fp32")
    assert ours.dim == 16
    assert np.abs(ours.encode(TEXTS).values - theirs).max() <= EXACT


def test_prompts_follow_the_role(make_model: MakeModel) -> None:
    prompts = {"query": "find: ", "passage": "text: "}
    folder = make_model(model={"prompts": prompts})
    ours, theirs = load(str(folder), precision="fp32"), reference(folder)
    passage = theirs.encode(TEXTS, prompt_name="passage")
    assert np.abs(ours.encode(TEXTS, "query").values - theirs.encode_query(TEXTS)).max() <= EXACT
    assert np.abs(ours.encode(TEXTS).values - passage).max() <= EXACT
    assert dict(ours.card.prompts) == {"query": "find: ", "document": "text: "}


def test_the_default_prompt_is_used_for_a_role_without_its_own(make_model: MakeModel) -> None:
    folder = make_model(model={"prompts": {"any": "text: "}, "default_prompt_name": "any"})
    theirs = reference(folder).encode(TEXTS)
    for role in ("query", "document"):
        ours = load(str(folder), precision="fp32").encode(TEXTS, role).values
        assert np.abs(ours - theirs).max() <= EXACT


def test_lower_case_is_honoured(make_model: MakeModel) -> None:
    ours = load(str(make_model(do_lower_case=True)), precision="fp32")
    upper, lower = (ours.encode([text]).values for text in ("ABC Def", "abc def"))
    np.testing.assert_array_equal(upper, lower)


def test_a_directory_without_modules_is_pooled_by_the_mean(
    tiny_model: Path, make_model: MakeModel
) -> None:
    bare, whole = load(str(tiny_model), precision="fp32"), load(str(make_model()), precision="fp32")
    assert bare.backbone.pooling.modes == ("mean",)
    np.testing.assert_allclose(bare.encode(TEXTS[:2]).values, whole.encode(TEXTS[:2]).values)


def test_other_architectures_run_through_transformers(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = load(str(tiny_model), precision="fp32").encode(TEXTS).values
    monkeypatch.setattr(bert, "fits", lambda _: False)
    general = load(str(tiny_model), precision="fp32").encode(TEXTS).values
    assert np.abs(ours - general).max() <= EXACT


def test_pickled_weights_are_never_read(make_model: MakeModel) -> None:
    folder = make_model()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(NotFoundError, match=r"pytorch_model\.bin is pickled and never loaded"):
        load(str(folder)).encode(["a"])


@pytest.mark.parametrize("name", ["pliant-mimi", "nobody/nothing", "/no/such/dir"])
def test_an_unknown_model_says_what_is_allowed(name: str) -> None:
    with pytest.raises(NotFoundError, match=r"not on this machine.*pliant-mini"):
        load(name)


def test_an_unknown_module_is_refused(make_model: MakeModel) -> None:
    folder = make_model()
    modules = [{"type": "sentence_transformers.models.CNN", "path": ""}]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf8")
    with pytest.raises(InvalidInputError, match=r"CNN.*allowed: Transformer, Pooling"):
        load(str(folder))


def test_a_text_model_refuses_pictures(tiny_model: Path) -> None:
    with pytest.raises(InvalidInputError, match="does not take images; allowed: text"):
        load(str(tiny_model)).prepare([(Text("a"), Image(b""))])
