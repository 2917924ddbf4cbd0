"""Reader of videos: segments of some seconds or scenes, frames sampled uniformly in each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import ceil

from pliant.content import Content, Record, Text, Video
from pliant.ingest.blob import Blob, attempt, check_size
from pliant.ingest.failure import Failure
from pliant.ingest.subtitles import Cue, cues_beside, spoken
from pliant.media import VideoFile, jpeg, thumbnail

_SHORTEST = 0.25  # of a segment: a shorter rest belongs to the segment before it
_SCENE_STEP = 0.5  # seconds between the frames that are compared
_SCENE_CHANGE = 0.35  # share of the pixels whose colour moves to another of 64 bins
_SCENE_SECONDS = 1.0  # the shortest scene


def read_video(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per segment ("t=10.0-20.0"), with the subtitles that begin in it."""
    check_size(blob)
    video = VideoFile(blob.path, blob.limits)
    cues = cues_beside(blob)
    for index, (begin, end) in enumerate(_spans(blob, video)):
        locator = f"t={begin:.1f}-{end:.1f}"
        yield attempt(blob, index, locator, partial(_record, blob, video, cues, (begin, end)))


def segments(seconds: float, length: float) -> list[tuple[float, float]]:
    """Cut a duration into pieces of `length`; a short rest is joined to the last piece."""
    count = max(1, ceil(seconds / length - _SHORTEST))
    ends = [length * index for index in range(1, count)]
    return list(zip([0.0, *ends], [*ends, seconds], strict=True))


def scenes(video: VideoFile, longest: float) -> list[tuple[float, float]]:
    """Cut where the colours of neighbouring frames differ; no scene is over `longest` seconds."""
    cuts, last, second = [0.0], None, 0.0
    while second < video.seconds:
        histogram = _colours(video, second)
        if (
            last is not None
            and sum(abs(a - b) for a, b in zip(histogram, last, strict=True)) / 2 > _SCENE_CHANGE
            and second - cuts[-1] >= _SCENE_SECONDS
        ):
            cuts.append(second)
        last, second = histogram, second + _SCENE_STEP
    pairs = zip(cuts, [*cuts[1:], video.seconds], strict=True)
    return [
        (begin + low, begin + high)
        for begin, end in pairs
        for low, high in segments(end - begin, longest)
    ]


def sample_frames(video: VideoFile, begin: float, end: float, count: int) -> tuple[Video, bytes]:
    """Take frames at the middles of `count` equal parts; give them and a thumbnail of the first."""
    step = (end - begin) / count
    indices = dict.fromkeys(video.frame_at(begin + step * (part + 0.5)) for part in range(count))
    frames, small = [], b""
    for index in indices:
        picture = video.frame(index)
        small = small or thumbnail(picture)
        frames.append(jpeg(picture))
    return Video(tuple(frames), tuple(video.second_of(index) for index in indices)), small


def _spans(blob: Blob, video: VideoFile) -> list[tuple[float, float]]:
    if blob.options.segment_by == "scene":
        return scenes(video, blob.options.segment_seconds)
    return segments(video.seconds, blob.options.segment_seconds)


def _colours(video: VideoFile, second: float) -> list[float]:
    """Give the shares of 64 colours in the frame at a second."""
    import numpy as np

    small = video.frame(video.frame_at(second)).resize((32, 32))
    bins = np.asarray(small, np.int64) // 64 @ np.array([16, 4, 1])
    return (np.bincount(bins.ravel(), minlength=64) / bins.size).tolist()


def _record(blob: Blob, video: VideoFile, cues: list[Cue], span: tuple[float, float]) -> Record:
    begin, end = span
    clip, small = sample_frames(video, begin, end, blob.options.frames_per_segment)
    locator = f"t={begin:.1f}-{end:.1f}"
    content: Content = (clip,)
    if words := spoken(cues, begin, end):
        content = (*content, Text(words))
    return Record(locator, content, blob.source.source, locator, blob.metadata, "video", small)
