"""Programs that we compare with: found in `.venv-peers`, driven line by line."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pliant.errors import UnavailableError

ENVIRONMENT = Path(".venv-peers/bin/python")


def peer_python(module: str) -> str:
    """Give the Python that has a peer: its own environment, or ours when that has it too.

    Raises:
        UnavailableError: neither has it.
    """
    if ENVIRONMENT.is_file():
        return str(ENVIRONMENT.absolute())
    if importlib.util.find_spec(module) is not None:
        return sys.executable
    raise UnavailableError(f"{module} is not installed: run `make peers` in the checkout")


class Peer:
    """A child that answers one JSON line with another."""

    def __init__(self, script: Path, module: str, threads: int) -> None:
        self.python = peer_python(module)
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 closed with the child
        self._child = subprocess.Popen(
            [self.python, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._errors):
            if pipe:
                pipe.close()

    def __call__(self, order: str, **arguments: Any) -> Any:
        """Give an order and wait for its answer.

        Raises:
            UnavailableError: the peer died; its last words are in the message.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps({"order": order, **arguments}) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error
        answer = self._child.stdout.readline()
        if not answer:
            raise self._died()
        return json.loads(answer)

    def _died(self) -> UnavailableError:
        self._errors.seek(0)
        words = self._errors.read().strip().splitlines()[-1:] or ["no reason given"]
        return UnavailableError(f"the baseline ({self.python}) ended: {words[0][:300]}")
