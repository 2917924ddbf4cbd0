"""Reader of videos: segments of some seconds, frames sampled uniformly in each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import ceil

from pliant.content import Record, Video
from pliant.ingest.blob import Blob, attempt, check_size
from pliant.ingest.failure import Failure
from pliant.media import VideoFile, jpeg, thumbnail

_SHORTEST = 0.25  # of a segment: a shorter rest belongs to the segment before it


def read_video(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per segment, located by its seconds ("t=10.0-20.0")."""
    check_size(blob)
    video = VideoFile(blob.source.path, blob.limits)
    for index, (begin, end) in enumerate(segments(video.seconds, blob.options.segment_seconds)):
        locator = f"t={begin:.1f}-{end:.1f}"
        yield attempt(blob, index, locator, partial(_record, blob, video, begin, end))


def segments(seconds: float, length: float) -> list[tuple[float, float]]:
    """Cut a duration into pieces of `length`; a short rest is joined to the last piece."""
    count = max(1, ceil(seconds / length - _SHORTEST))
    ends = [length * index for index in range(1, count)]
    return list(zip([0.0, *ends], [*ends, seconds], strict=True))


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


def _record(blob: Blob, video: VideoFile, begin: float, end: float) -> Record:
    clip, small = sample_frames(video, begin, end, blob.options.frames_per_segment)
    locator = f"t={begin:.1f}-{end:.1f}"
    return Record(locator, (clip,), blob.source.source, locator, blob.metadata, "video", small)
