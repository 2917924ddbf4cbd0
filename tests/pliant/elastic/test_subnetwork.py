from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.elastic.subnetwork import PRECISIONS, SubNetwork
from pliant.errors import InvalidInputError

SUBNETWORKS = st.builds(
    SubNetwork,
    depth=st.integers(1, 9999),
    width=st.integers(1, 1_000_000).map(lambda millionths: millionths / 1_000_000),
    dim=st.integers(1, 999_999),
    precision=st.sampled_from(PRECISIONS),
    stitch=st.none() | st.from_regex(r"[A-Za-z0-9.]{1,8}", fullmatch=True),
    resolution=st.none() | st.integers(1, 99_999),
    frames=st.none() | st.integers(1, 99_999),
)


@given(SUBNETWORKS)
def test_a_name_reads_back_as_the_same_sub_network(subnetwork: SubNetwork) -> None:
    assert SubNetwork.parse(subnetwork.name) == subnetwork


@pytest.mark.parametrize(
    ("name", "subnetwork"),
    [
        ("d6-w0.5-384", SubNetwork(6, 0.5, 384)),
        ("d3-w1-128-int8", SubNetwork(3, 1.0, 128, "int8")),
        ("d6-w1-384-r128", SubNetwork(6, 1.0, 384, resolution=128)),
        ("d6-w1-384-fp32-r96-f4-sL3", SubNetwork(6, 1.0, 384, "fp32", (), "L3", 96, 4)),
    ],
)
def test_names_of_the_interface(name: str, subnetwork: SubNetwork) -> None:
    assert SubNetwork.parse(name) == subnetwork
    assert subnetwork.name == name


def test_the_default_precision_is_left_out_of_the_name() -> None:
    assert SubNetwork.parse("d6-w1-384-bf16").name == "d6-w1-384"


@pytest.mark.parametrize(
    "name",
    ["", "d6", "d6-w1", "d06-w1-384", "d6-w1-384-", "D6-w1-384", "d6-w1-384-f4-r96", "d6-w1-384\n"],
)
def test_another_form_is_refused_with_the_grammar(name: str) -> None:
    with pytest.raises(InvalidInputError, match="dDEPTH-wWIDTH-DIM"):
        SubNetwork.parse(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("d6-w1-384-fp8", "fp8.*fp32, bf16, int8"),
        ("d6-w1.5-384", "width 1.5.*at most 1"),
        ("d6-w0-384", "width 0.0.*above 0"),
    ],
)
def test_a_value_out_of_range_is_named(name: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        SubNetwork.parse(name)
