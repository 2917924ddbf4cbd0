"""The sample corpus: a small folder of mixed files with free licences, and questions to it."""

from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
QUERIES = Path(__file__).parent / "queries.yaml"
