"""A deployment for each algorithm, and tokens that it has signed."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.sessions.claims import TokenPair
from gerbang.sessions.keys import Algorithm
from gerbang.sessions.tokens import Tokens
from gerbang.storage.accounts import User
from gerbang.storage.families import Family

from tests.conftest import deployed_on, in_memory
from tests.deployment import Choices, Deployment
from tests.fakes import FakeClock, FakeSecret, RecordingLog
from tests.unit.tokens.forging import Forge


@pytest.fixture(params=Algorithm)
def deployment(request: pytest.FixtureRequest, clock: FakeClock, secret: FakeSecret) -> Deployment:
    """A deployment that signs access tokens with each algorithm in turn."""
    built = deployed_on(in_memory(), clock=clock, log_event=RecordingLog(), secret=secret)
    return replace(built, choices=Choices(algorithm=request.param))


@pytest.fixture
def tokens(deployment: Deployment) -> Tokens:
    return deployment.tokens


@pytest.fixture
def pair(deployment: Deployment, alice: User, family: Family) -> TokenPair:
    return deployment.tokens.pair(alice, family, at=deployment.clock())


@pytest.fixture
def alice(clock: FakeClock) -> User:
    return User(
        user_id="0a7d8c1e-0000-4000-8000-000000000001",
        name="Alice",
        email="alice@example.com",
        password_hash="$bcrypt-sha256$v=2,t=2b,r=4$secret",
        created_at=clock(),
        updated_at=clock(),
    )


@pytest.fixture
def family(alice: User, clock: FakeClock) -> Family:
    now = clock()
    return Family(
        family_id="0a7d8c1e-0000-4000-8000-0000000000ff",
        user_id=alice.user_id,
        generation=3,
        confirmed=2,
        nonce="nonce",
        epoch=0,
        rotated_at=now,
        previous_rotated_at=now,
        created_at=now - timedelta(days=2),
        expires_at=now + timedelta(days=7),
        device="",
        address="192.0.2.1",
    )


@pytest.fixture
def forge(deployment: Deployment, pair: TokenPair) -> Forge:
    return Forge(deployment, pair)
