"""Fixtures of the tests that use AWS clients as the functions do."""

from collections.abc import Iterator

import pytest
from gerbang.storage import clients


@pytest.fixture
def fresh_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have clients made anew, in this test and after it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    made = (clients._created, clients._session, clients._shared_trust)  # pyright: ignore[reportPrivateUsage]
    for cached in made:
        cached.cache_clear()
    yield
    for cached in made:
        cached.cache_clear()
