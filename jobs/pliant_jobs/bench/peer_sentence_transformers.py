"""A sentence-transformers that encodes on request: one JSON line in, one out.

Runs as a script in an environment of its own (`make peers`), without Pliant. It waits for its
next order without using the processor.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def main() -> None:
    """Answer orders until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is not an answer
    peer = Peer()
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(peer, order.pop("order"))(**order)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Peer:
    """The models by dtype, and the texts by the name of their set."""

    def __init__(self) -> None:
        self.models: dict[str, Any] = {}
        self.texts: dict[str, list[str]] = {}

    def start(self, model: str, threads: int, dtypes: list[str]) -> dict[str, str]:
        """Load the model in each dtype."""
        import sentence_transformers
        import torch

        torch.set_num_threads(threads)
        for dtype in dtypes:
            kwargs = {"dtype": torch.bfloat16} if dtype == "bf16" else {}
            self.models[dtype] = sentence_transformers.SentenceTransformer(
                model, device="cpu", model_kwargs=kwargs
            )
        return {"version": sentence_transformers.__version__, "torch": torch.__version__}

    def give(self, name: str, texts: list[str]) -> dict[str, int]:
        """Remember a set of texts."""
        self.texts[name] = texts
        return {"texts": len(texts)}

    def encode(
        self, name: str, dtype: str, batch: int, limit: int, save: str | None
    ) -> dict[str, float]:
        """Encode the first texts of a set; seconds and processor seconds, tokenisation included."""
        texts = self.texts[name][:limit]
        begin, cpu = time.perf_counter(), time.process_time()
        vectors = self.models[dtype].encode(
            texts, batch_size=batch, show_progress_bar=False, convert_to_numpy=True
        )
        seconds, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
        if save:
            import numpy as np

            np.save(save, vectors.astype(np.float32))
        return {"seconds": seconds, "cpu_s": cpu_s}


if __name__ == "__main__":
    main()
