"""The `pliant` command: finds the job, runs it, and turns errors into lines and exit codes.

Imports nothing heavy: `pliant --help` and `--version` need neither torch nor ray.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import TracebackType

import pliant
from pliant.errors import InvalidInputError, NotFoundError, PliantError

COMMANDS: dict[str, tuple[str, str]] = {
    "embed": ("embed", "embed files, folders, globs and tables into a collection"),
    "search": ("search", "answer from a collection, by text, image or both"),
    "encode": ("encode", "vectors without a store, to .npy or .parquet"),
    "collections": ("inventory", "what is stored: list | show NAME | drop NAME"),
    "store": ("owner", "the embedded store's owner process: start | stop | url"),
    "models": ("models", "models, sub-networks and licences: list | show NAME"),
    "failed": ("retry", "embed again what failed: retry FILE.parquet"),
    "doctor": ("doctor", "check this machine: CPU, decoders, store, model, vectors"),
    "bench": ("bench", "a benchmark beside its baselines: encode | ingest | recovery"),
}
USAGE_ERROR, JOB_FAILED, INTERRUPTED = 2, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code (INTERFACE section 1)."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = _take_debug(words)
    if not words or words[0] in ("--help", "-h", "help"):
        print(_overview())  # noqa: T201 the command's result
        return 0 if words else USAGE_ERROR
    if words[0] == "--version":
        print(f"pliant {pliant.__version__}")  # noqa: T201
        return 0
    if not debug:
        sys.excepthook = _one_line
    try:
        return _run(words[0], words[1:])
    except PliantError as error:
        if debug:
            raise
        _complain(str(error))
        return USAGE_ERROR if isinstance(error, InvalidInputError | NotFoundError) else JOB_FAILED
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return JOB_FAILED


def _run(command: str, words: Sequence[str]) -> int:
    if command not in COMMANDS:
        from pliant.config import nearest

        raise InvalidInputError(
            f"unknown command {command!r}{nearest(command, list(COMMANDS))}; see pliant --help"
        )
    module = importlib.import_module(f"pliant_jobs.{COMMANDS[command][0]}")
    return module.main(words)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items())
    return (
        "usage: pliant COMMAND [options]\n\n"
        "Elastic multimodal embeddings: text, images, videos and documents in one space.\n\n"
        f"commands:\n{rows}\n\n"
        "options:\n"
        "  --help     this page; `pliant COMMAND --help` explains a command\n"
        "  --version  the version\n"
        "  --debug    with any command: show the stack trace of an error\n\n"
        "examples:\n"
        "  pliant embed ./photos ./papers --collection docs\n"
        '  pliant search "a red bicycle" --collection docs --filter \'modality == "image"\''
    )


def _take_debug(words: list[str]) -> bool:
    options = words[: words.index("--")] if "--" in words else words
    if "--debug" not in options:
        return False
    words.remove("--debug")
    return True


def _one_line(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    text = " ".join(str(error).split())[:500]
    _complain(f"internal error, please report it: {kind.__name__}: {text} (--debug shows more)")


def _complain(message: str) -> None:
    lines = [line for line in message.splitlines() if line.strip()][:3]
    print("pliant: " + "\n".join(lines), file=sys.stderr)  # noqa: T201 errors for people


if __name__ == "__main__":
    sys.exit(main())
