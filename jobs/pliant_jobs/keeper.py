"""Being the one writer of a collection while a job runs: the lease, renewed in a thread.

The thread also asks the store every few seconds whether it is there: it tells people when it is
not, and starts an embedded store's owner again when that was killed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pliant.errors import PliantError, UnavailableError
from pliant_jobs import killpoints

if TYPE_CHECKING:
    from pliant.store.connection import Patience
    from pliant.store.lease import LeaseKeeper
    from pliant.store.milvus import MilvusStore
    from pliant_jobs.embed_config import EmbedConfig

ASK_EVERY_S = 3.0
JOIN_S = 5.0


class Renewal:
    """The thread; `check` passes its failure on to the main thread."""

    def __init__(self, config: EmbedConfig, keeper: LeaseKeeper, patience: Patience) -> None:
        self._config = config
        self._keeper = keeper
        self._patience = patience
        self._stopped = threading.Event()
        self._error: PliantError | None = None
        self._thread = threading.Thread(target=self._run, name="pliant-lease", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more."""
        self._stopped.set()
        self._thread.join(JOIN_S)

    def check(self) -> None:
        """Raise what ended the thread, if anything did.

        Raises:
            UnavailableError: another job has taken over, or the store stayed away.
        """
        if self._error is not None and not killpoints.without("fence"):
            raise UnavailableError(str(self._error)) from self._error

    def _run(self) -> None:
        from pliant.store.milvus import MilvusStore

        config = self._config
        every_s = min(ASK_EVERY_S, config.resources.lease_s / 3)
        try:
            with MilvusStore.open(
                config.uri, token=config.secret(), patience=self._patience
            ) as store:
                keeper = self._keeper.over(store)
                while not self._stopped.wait(every_s):
                    with killpoints.during("lease_renewal"):
                        keeper.renew()
        except PliantError as error:
            self._error = error


@contextmanager
def kept(config: EmbedConfig, keeper: LeaseKeeper, patience: Patience) -> Iterator[Renewal]:
    """Renew an acquired lease until the end."""
    renewal = Renewal(config, keeper, patience)
    renewal.start()
    try:
        yield renewal
    finally:
        renewal.stop()


def keeper_of(store: MilvusStore, config: EmbedConfig) -> LeaseKeeper:
    """Give the keeper of the lease that a job needs."""
    from pliant.store.lease import LeaseKeeper

    return LeaseKeeper(store, config.collection, config.resources.lease_s)


def give_back(config: EmbedConfig, keeper: LeaseKeeper) -> None:
    """Let the next job begin at once after one that stopped; without waiting, if that is possible.

    It is not when the store is away or another job has the lease: then there is nothing to do.
    """
    from pliant.store.milvus import MilvusStore

    with (
        contextlib.suppress(PliantError),
        MilvusStore.open(config.uri, token=config.secret(), start=False) as store,
    ):
        keeper.over(store).release(clean=False)
