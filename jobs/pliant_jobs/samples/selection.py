"""What pictures.yaml says: which original becomes which file of the corpus."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from pliant_jobs.samples.originals import Credit, Original, original


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CreditText(_Frozen):
    """A credit as written in the selection; a name in `credits` stands for one of these."""

    author: str | None = None
    licence: str
    source: str


class Scene(_Frozen):
    """An original inside a package."""

    package: str
    member: str
    credit: CreditText | str | None = None
    author: str | None = None


class Picture(Scene):
    """One picture file and, where there is any, the metadata of its sidecar."""

    file: str
    metadata: dict[str, Any] | None = None


class Clip(_Frozen):
    """One video file: its scenes and the seconds that each of them takes."""

    file: str
    seconds: int
    scenes: tuple[Scene, ...]


class Selection(_Frozen):
    """The whole choice of originals."""

    credits: dict[str, CreditText]
    pictures: tuple[Picture, ...]
    catalogue: tuple[Picture, ...]
    questions: tuple[Picture, ...]
    videos: tuple[Clip, ...]

    def read(self, scene: Scene, cache_folder: Path) -> Original:
        """Read the original of a picture or a scene, with its credit."""
        return original(scene.package, scene.member, self._credit(scene), cache_folder)

    def _credit(self, scene: Scene) -> Credit | None:
        text = self.credits[scene.credit] if isinstance(scene.credit, str) else scene.credit
        if text is None:
            return None
        author = scene.author or text.author
        if author is None:
            raise ValueError(f"{scene.package} {scene.member}: no author is given")
        return Credit(author, text.licence, text.source)


def load(path: Path) -> Selection:
    """Read a selection from its YAML file."""
    return Selection.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
