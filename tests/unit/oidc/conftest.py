"""A verifier of Google's tokens, and the keys that it fetches."""

from datetime import UTC, datetime

import pytest
from gerbang.accounts.oidc import IdTokenVerifier

from tests.unit.oidc.providers import FakeKeyEndpoint
from tests.unit.oidc.verifying import GOOGLE


@pytest.fixture
def keys() -> FakeKeyEndpoint:
    return FakeKeyEndpoint()


@pytest.fixture
def verifier(keys: FakeKeyEndpoint) -> IdTokenVerifier:
    return IdTokenVerifier(GOOGLE, fetch=keys, now=lambda: datetime.now(UTC))
