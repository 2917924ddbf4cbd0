"""Runs the embedding pipeline on Ray and hands its acknowledgements to the main thread.

The main thread never blocks inside Ray, so that signals and the progress display stay prompt.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pliant.errors import InvalidInputError, PliantError, UnavailableError
from pliant_jobs import killpoints
from pliant_jobs.embed_config import EmbedConfig
from pliant_jobs.session import Session, ray_session
from pliant_jobs.stop import listen

if TYPE_CHECKING:
    from ray.data import Dataset

    from pliant.content import Content
    from pliant.encoder import Encoder
    from pliant.ingest.reading import Resume
    from pliant.ingest.source import Source
    from pliant_jobs.pipeline import EmbedTask

TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class Work:
    """What a pipeline does.

    Attributes:
        sources: to read.
        resumes: what of them is in the store already, by source key.
        space_id: of the vectors.
        fence: the number under which it writes.
    """

    sources: Sequence[Source]
    resumes: Mapping[str, Resume]
    space_id: str
    fence: int


Stream = Callable[[EmbedConfig, Work], Iterator[dict[str, Any] | None]]
"""Runs the pipeline; gives each acknowledgement, and None in between."""


def stream(config: EmbedConfig, work: Work) -> Iterator[dict[str, Any] | None]:
    """Give each acknowledgement, and None a few times a second in between.

    Raises:
        InvalidInputError: an embedded store with a cluster of several machines.
        UnavailableError: Ray does not start, or a stage fails for a reason that no row caused.
    """
    with ray_session(config.address) as session:
        listen()
        if session.num_nodes > 1 and "://" not in config.uri:
            raise InvalidInputError(
                f"{config.uri!r} is an embedded store, which one machine owns, but the cluster has "
                f"{session.num_nodes} machines: give --uri http://host:port of a Milvus server"
            )
        consumer = _Consumer(_pipeline(config, work, session))
        try:
            yield from consumer.acknowledgements(session)
        finally:
            consumer.stop()


def embed_task(config: EmbedConfig, work: Work, threads: int | None = None) -> EmbedTask:
    """Give what an embedding actor needs to know."""
    from pliant_jobs.pipeline import EmbedTask

    return EmbedTask(
        uri=config.uri,
        token=config.secret(),
        collection=config.collection,
        model=config.model,
        subnetwork=config.subnetwork,
        threads=threads,
        batch_size=config.resources.batch_size,
        fence=work.fence,
        wait_s=config.store_wait_s,
    )


def _pipeline(config: EmbedConfig, work: Work, session: Session) -> Dataset:
    from pliant.ingest.dataset import Workers, prepared_rows
    from pliant_jobs.pipeline import embedded

    wanted = config.resources
    readers = wanted.read_workers or max(1, min(session.num_cpus // 2, len(work.sources)))
    rows = prepared_rows(
        work.sources,
        config.read_config(work.space_id),
        functools.partial(_load, config.model),
        Workers(num_actors=readers, num_cpus=wanted.read_cpus),
        work.resumes,
    )
    threads = wanted.threads or max(1, session.num_cpus // wanted.embed_workers)
    return embedded(
        rows,
        embed_task(config, work, threads),
        num_actors=wanted.embed_workers,
        num_cpus=wanted.embed_cpus,
        num_gpus=wanted.embed_gpus,
    )


def _load(model: str) -> _Preparer:
    from pliant.encoder import load

    return _Preparer(load(model, threads=1))


class _Preparer:
    """The encoder of a reading worker, with the place where a test may kill the worker."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.max_tokens = encoder.max_tokens
        self.token_offsets = encoder.token_offsets

    def prepare_each(self, contents: Sequence[Content]) -> Sequence[object]:
        killpoints.reach("reading")
        return self._encoder.prepare_each(contents)


class _Consumer:
    """Iterates the dataset in a thread of its own."""

    def __init__(self, dataset: Dataset) -> None:
        self._queue: queue.Queue[dict[str, Any] | BaseException | None] = queue.Queue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(dataset,), daemon=True)
        self._thread.start()

    def acknowledgements(self, session: Session) -> Iterator[dict[str, Any] | None]:
        while True:
            try:
                found = self._queue.get(timeout=TICK_S)
            except queue.Empty:
                yield None
                continue
            if found is None:
                return
            if isinstance(found, BaseException):
                raise _readable(found, session) from found
            yield found

    def stop(self) -> None:
        self._stopped.set()
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()

    def _run(self, dataset: Dataset) -> None:
        from pliant_jobs.pipeline import acknowledgements

        try:
            for ack in acknowledgements(dataset):
                if self._stopped.is_set():
                    return
                self._queue.put(ack)
        except BaseException as error:  # noqa: BLE001 handed to the main thread, which raises it
            self._queue.put(error)
        else:
            self._queue.put(None)


def _readable(error: BaseException, session: Session) -> PliantError:
    """Find what really went wrong below Ray's wrappers."""
    cause = error
    while (inner := getattr(cause, "cause", None) or cause.__cause__) is not None:
        cause = inner
    if isinstance(cause, PliantError):
        return cause
    last = (str(cause).strip().splitlines() or [""])[-1][:300]
    return UnavailableError(
        f"the pipeline stopped: {type(cause).__name__}: {last}\nRay's logs: {session.logs}"
    )
