"""A sub-network: how much of an elastic encoder runs. Names only; it knows no model.

The grammar is `dDEPTH-wWIDTH-DIM[-PRECISION][-rPIXELS][-fFRAMES][-sSTITCH]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from pliant.errors import InvalidInputError

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

GRAMMAR = "dDEPTH-wWIDTH-DIM[-PRECISION][-rPIXELS][-fFRAMES][-sSTITCH]"
_NAME = re.compile(
    r"d(?P<depth>[1-9]\d{0,3})-w(?P<width>\d(?:\.\d{1,6})?)-(?P<dim>[1-9]\d{0,5})"
    r"(?:-(?P<precision>(?:fp|bf|int)\d+))?"
    r"(?:-r(?P<resolution>[1-9]\d{0,4}))?"
    r"(?:-f(?P<frames>[1-9]\d{0,4}))?"
    r"(?:-s(?P<stitch>[A-Za-z0-9.]+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SubNetwork:
    """One choice of compute.

    Attributes:
        depth: blocks that run, by the model's plan for that depth.
        width: fraction of heads and feed-forward units, in (0, 1].
        dim: output dimensions.
        precision: of the weights and the arithmetic. "bf16" is the default and runs in fp32 where
            the processor has no native BF16; it never decides the space.
        skip: blocks left out on top of the plan; has no place in the name.
        stitch: name of a stitched path into another anchor.
        resolution: side of an image, pixels; None is the model's own.
        frames: frames looked at in a video; None is all of them.
    """

    depth: int
    width: float
    dim: int
    precision: Precision = "bf16"
    skip: tuple[int, ...] = ()
    stitch: str | None = None
    resolution: int | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise InvalidInputError(f"depth {self.depth}: must be 1 or more")
        if not 0 < self.width <= 1:
            raise InvalidInputError(f"width {self.width}: must be above 0 and at most 1")
        if self.dim < 1:
            raise InvalidInputError(f"dim {self.dim}: must be 1 or more")
        if self.precision not in PRECISIONS:
            allowed = ", ".join(PRECISIONS)
            raise InvalidInputError(f"precision {self.precision!r}: must be one of {allowed}")

    @classmethod
    def parse(cls, name: str) -> SubNetwork:
        """Read a name such as "d3-w1-128-int8".

        Raises:
            InvalidInputError: the name does not follow the grammar.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise InvalidInputError(
                f"sub-network {name!r} is not of the form {GRAMMAR}, as in d6-w1-384 or "
                f"d3-w0.5-128-fp32"
            )
        given = match.groupdict()
        precision = given["precision"] or "bf16"
        if precision not in PRECISIONS:
            allowed = ", ".join(PRECISIONS)
            raise InvalidInputError(
                f"sub-network {name!r}: precision {precision!r} must be one of {allowed}"
            )
        return cls(
            depth=int(given["depth"]),
            width=float(given["width"]),
            dim=int(given["dim"]),
            precision=precision,
            stitch=given["stitch"],
            resolution=int(given["resolution"]) if given["resolution"] else None,
            frames=int(given["frames"]) if given["frames"] else None,
        )

    @property
    def name(self) -> str:
        """The name that `parse` reads; the default precision is left out."""
        words = [f"d{self.depth}", f"w{_number(self.width)}", f"{self.dim}"]
        if self.precision != "bf16":
            words.append(self.precision)
        if self.resolution is not None:
            words.append(f"r{self.resolution}")
        if self.frames is not None:
            words.append(f"f{self.frames}")
        if self.stitch is not None:
            words.append(f"s{self.stitch}")
        return "-".join(words)

    def __str__(self) -> str:
        return self.name


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
