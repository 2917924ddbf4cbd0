"""Pictures and frames to the pixels that the picture network takes. CPU only, no weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pliant.content import Image, Video
from pliant.errors import InvalidInputError
from pliant.media import decode_image

SIDE = 260

Pixels = npt.NDArray[np.uint8]


def fit_pixels(data: bytes) -> Pixels:
    """Decode a picture and bring the whole of it to 260 by 260: [260, 260, 3].

    Raises:
        InvalidInputError: it cannot be decoded, or is too large.
    """
    from PIL import Image as PillowImage

    picture = decode_image(data)
    return np.asarray(picture.resize((SIDE, SIDE), PillowImage.Resampling.BICUBIC))


def decode(part: Image | Video) -> Pixels:
    """Decode a picture or the frames of a video: [F, 260, 260, 3].

    Raises:
        InvalidInputError: one cannot be decoded, or there is none.
    """
    frames = (part.data,) if isinstance(part, Image) else part.frames
    if not frames:
        raise InvalidInputError("a video needs at least one frame; given none")
    return np.stack([fit_pixels(frame) for frame in frames])
