from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as PillowImage

from pliant.content import Content, Image, Text, Video
from pliant.encoder import Batch, Encoder, load
from pliant.encoder.backends import mini
from pliant.encoder.backends.efficientnet import EfficientNetLite2, fold, same_pad
from pliant.encoder.backends.packaged import load_pickled, packaged_file
from pliant.errors import InvalidInputError, NotFoundError, UnavailableError

SAME = 1e-5  # fp32 sums in another order


def picture(seed: int, side: int = 64) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    image = PillowImage.fromarray(pixels).resize((side, side // 2))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    path = packaged_file(mini.IMAGE_PACKAGE, ".pth")
    return load_pickled(path, mini.IMAGE_SHA256)


def vectors(encoder: Encoder, items: list[Content]) -> np.ndarray:
    return encoder.encode(items).values


def test_all_modalities_share_one_space(exact: Encoder) -> None:
    items: list[Content] = [
        (Text("a dog"),),
        (Image(picture(0)),),
        (Video((picture(0), picture(1)), (0.0, 1.0)),),
        (Image(picture(0)), Text("a page about dogs")),
    ]
    values = vectors(exact, items)
    assert values.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, rtol=1e-5)


def test_a_video_is_the_mean_of_its_frames(exact: Encoder) -> None:
    frames = [picture(seed) for seed in range(3)]
    video = vectors(exact, [(Video(tuple(frames), (0.0, 1.0, 2.0)),)])[0]
    mean = vectors(exact, [(Image(frame),) for frame in frames]).mean(0)
    np.testing.assert_allclose(video, mean / np.linalg.norm(mean), atol=SAME)


def test_parts_are_weighed_as_documented(exact: Encoder) -> None:
    parts = (Text("a page about dogs"), Image(picture(0)), Image(picture(1)))
    whole = vectors(exact, [parts])[0]
    text, first, second = vectors(exact, [(part,) for part in parts])
    mixed = 0.8 * text + 0.1 * first + 0.1 * second
    np.testing.assert_allclose(whole, mixed / np.linalg.norm(mixed), atol=SAME)


def test_the_mixture_of_classes_equals_a_naive_loop() -> None:
    chance = torch.Generator().manual_seed(0)
    scores = torch.randn((2, 1000), generator=chance) * 3
    classes = F.normalize(torch.randn((1000, 8), generator=chance), dim=1)
    mixed = mini.mix_classes(scores, classes).numpy()
    for row, values in enumerate(scores.double().numpy()):
        chances = np.exp(values) / np.exp(values).sum()
        naive = np.zeros(8)
        for index in sorted(range(1000), key=lambda i: -chances[i])[:10]:
            naive += chances[index] * classes[index].double().numpy()
        np.testing.assert_allclose(mixed[row], naive / np.linalg.norm(naive), atol=SAME)


def test_a_sure_picture_is_the_vector_of_its_class() -> None:
    scores = torch.full((1, 1000), -100.0)
    scores[0, 5] = 100
    classes = F.normalize(torch.arange(4000.0).view(1000, 4), dim=1)
    np.testing.assert_allclose(mini.mix_classes(scores, classes)[0], classes[5], atol=SAME)


def test_text_alone_never_loads_the_picture_network() -> None:
    encoder = load(precision="fp32")
    encoder.encode(["a dog"])
    backbone = encoder.backbone
    assert isinstance(backbone, mini.Mini)
    assert "_image_network" not in vars(backbone)
    assert "_class_vectors" not in vars(backbone)


def test_preparing_pictures_needs_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load()
    monkeypatch.setattr(mini, "load_pickled", lambda *_: pytest.fail("weights were loaded"))
    batch = encoder.prepare([(Image(picture(0)), Text("a"))])
    assert batch.costs.tolist() == [3 + 81]


def test_pickled_pictures_give_equal_vectors(exact: Encoder) -> None:
    batch = exact.prepare([(Image(picture(0)),), (Image(picture(1)), Text("a"))])
    copies: Batch = pickle.loads(pickle.dumps(batch))
    np.testing.assert_array_equal(exact.embed(batch), exact.embed(copies))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((Image(b"not a picture"),), "image"),
        ((Video((), ()),), "at least one frame"),
        ((), "nothing to embed"),
        ((Text("  "),), "nothing to embed"),
    ],
)
def test_bad_content_says_why(exact: Encoder, content: Content, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        exact.prepare([content])


def test_the_picture_network_has_the_published_size(weights: dict[str, torch.Tensor]) -> None:
    network = EfficientNetLite2(weights)
    learnt = [v for name, v in weights.items() if "running" not in name and "num_b" not in name]
    assert sum(value.numel() for value in learnt) == 6_092_072
    assert len(network.blocks) == 21
    with torch.inference_mode():
        pixels = torch.zeros((1, 260, 260, 3), dtype=torch.uint8)
        assert network.features(pixels).shape == (1, 1280, 9, 9)
        assert network(pixels).shape == (1, 1000)


def test_a_folded_batch_norm_equals_torch(weights: dict[str, torch.Tensor]) -> None:
    x = torch.randn((1, 3, 33, 33), generator=torch.Generator().manual_seed(0))
    weight, bias = fold(weights, "_conv_stem", "_bn0")
    mean, var, scale, shift = (
        weights[f"_bn0.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    plain = F.conv2d(x, weights["_conv_stem.weight"], stride=2)
    plain = F.batch_norm(plain, mean, var, scale, shift, eps=1e-3)
    folded = F.conv2d(x, weight, bias, stride=2)
    assert (plain - folded).abs().max() / plain.abs().max() < SAME


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "before", "after"),
    [(260, 3, 2, 0, 1), (5, 3, 1, 1, 1), (130, 5, 2, 1, 2), (65, 5, 2, 2, 2), (7, 1, 1, 0, 0)],
)
def test_same_padding_as_tensorflow_counts_it(
    side: int, kernel: int, stride: int, before: int, after: int
) -> None:
    padded = same_pad(torch.ones((1, 1, side, side)), kernel, stride)[0, 0]
    assert padded.shape == (side + before + after,) * 2
    assert padded[before, before] == 1
    assert padded[:before].sum() == 0
    assert padded[side + before :].sum() == 0


def test_other_bytes_of_the_packaged_pickle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"something else")
    with pytest.raises(UnavailableError, match="expected 9656183e"):
        load_pickled(path, mini.IMAGE_SHA256)


def test_a_missing_package_says_how_to_install_it() -> None:
    with pytest.raises(NotFoundError, match="pip install no-such-package"):
        packaged_file("no-such-package", "x")


def test_class_vectors_come_from_the_cache_or_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pliant.encoder import checkpoint

    monkeypatch.setattr(checkpoint, "CACHE", tmp_path)
    calls: list[int] = []

    def make() -> np.ndarray:
        calls.append(1)
        return np.ones((2, 3), np.float32)

    for _ in range(2):
        assert checkpoint.cached_array("a", (2, 3), make).tolist() == [[1, 1, 1]] * 2
    (tmp_path / "a").write_bytes(b"broken")
    checkpoint.cached_array("a", (2, 3), make)
    assert len(calls) == 2


def test_a_class_is_the_mean_of_its_lemmas(exact: Encoder) -> None:
    backbone = exact.backbone
    assert isinstance(backbone, mini.Mini)
    lemmas = exact.encode(mini.class_names()[1].split(", ")).values
    assert len(lemmas) == 2
    wanted = lemmas.mean(0) / np.linalg.norm(lemmas.mean(0))
    np.testing.assert_allclose(backbone._class_vectors[1].cpu(), wanted, atol=SAME)


def test_there_is_a_name_for_every_class() -> None:
    names = mini.class_names()
    assert len(names) == 1000
    assert names[207] == "golden retriever"
    assert names[340] == "zebra"
