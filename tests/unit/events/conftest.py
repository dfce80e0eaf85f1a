"""A deployment whose changes are published as events."""

from copy import replace
from datetime import timedelta
from typing import Any

import pytest
from gerbang.events.publishing import Publisher
from gerbang.storage.event_bus import EventBus
from jsonschema import Draft202012Validator

from tests.deployment import Choices, Deployment
from tests.fakes import FakeClock, RecordingLog
from tests.unit.events.stream import SCHEMA, TABLES, Bus, Publish, Streaming


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def publisher(bus: Bus, log: RecordingLog) -> Publisher:
    client: Any = bus
    return Publisher(bus=EventBus(lambda: client, "audit"), source="gerbang.test", tables=TABLES, log_event=log)


@pytest.fixture
def store(clock: FakeClock) -> Streaming:
    return Streaming(clock)


@pytest.fixture
def streaming(deployment_in_memory: Deployment, store: Streaming) -> Deployment:
    return replace(deployment_in_memory, store=store, choices=Choices(grace=timedelta(0)))


@pytest.fixture
def publish(publisher: Publisher, bus: Bus, store: Streaming) -> "Publish":
    """Publishes the changes, checks the events against the schema, and returns the data of each type."""

    def publish_changes() -> dict[str, dict[str, Any]]:
        bus.entries.clear()
        assert publisher.publish(store.records) is None
        store.records.clear()
        for detail in bus.details:
            Draft202012Validator(SCHEMA).validate(detail)
        return {detail["type"]: detail["data"] for detail in bus.details}

    return publish_changes
