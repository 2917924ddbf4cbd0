"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """The one local Ray of a test run."""
    from pliant_jobs.session import ray_session as session

    with session():
        yield


settings.register_profile("pliant", deadline=None, derandomize=True)
settings.load_profile("pliant")
