"""A budget to measure actions with, and Alice's session."""

import pytest
from gerbang.sessions.sessions import SignedIn

from tests.deployment import ALICE, HOME, Deployment
from tests.unit.budgets.measuring import Budget, RoundTrips


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> RoundTrips:
    trips = RoundTrips()
    trips.watch_thread_pools(monkeypatch)
    return trips


@pytest.fixture
def budget(deployment_in_memory: Deployment, trips: RoundTrips, hashes: list[int]) -> Budget:
    return Budget(deployment_in_memory, trips, hashes)


@pytest.fixture
def alice(deployment_in_memory: Deployment) -> SignedIn:
    return deployment_in_memory.sessions.open(deployment_in_memory.register(ALICE), HOME, "password")
