"""gerbang.events: changes are published as the events that docs/events.md describes."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, override

import pytest
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.events.changes import Table
from gerbang.events.publishing import Publisher, handler
from gerbang.sessions.sessions import RefreshTokenReused, SignedIn
from gerbang.storage.dynamodb import to_wire
from gerbang.storage.event_bus import EventBus
from gerbang.storage.store import Action, CommitOutcome, Delete, Gone, Item, Key, Outcome, Update, Value
from jsonschema import Draft202012Validator

from tests.deployment import ALICE, HOME, Choices, Deployment
from tests.fakes import FakeClock, MemoryStore, RecordingLog

DOCUMENT: Final = (Path(__file__).parents[2] / "docs" / "events.md").read_text("utf-8")
SCHEMA: Final = next(
    json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL) if '"$schema"' in block
)
STREAM: Final = "arn:aws:dynamodb:eu-west-1:123456789012:table/{}/stream/2026-11-29T00:00:00.000"
TABLES: Final = {
    "Users": Table.USERS,
    "RefreshTokenFamilies": Table.FAMILIES,
    "Organizations": Table.ORGANIZATIONS,
}


class Streaming(MemoryStore):
    """A store that records its changes as records of DynamoDB Streams."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.records: list[dict[str, Any]] = []
        self._numbers = count(100)

    @override
    def write(self, action: Action) -> Outcome:
        return self._streaming([action.key], lambda: super(Streaming, self).write(action))

    @override
    def commit(self, *actions: Action) -> CommitOutcome:
        return self._streaming([each.key for each in actions], lambda: super(Streaming, self).commit(*actions))

    def _streaming[T](self, keys: Sequence[Key], do: Callable[[], T]) -> T:
        before = self.get_all(*keys)
        outcome = do()
        for key, old, new in zip(keys, before, self.get_all(*keys), strict=True):
            if old != new and key.table in TABLES:
                self.records.append(stream_record(key, old, new, at=to_epoch(self.clock()), number=next(self._numbers)))
        return outcome


def stream_record(
    key: Key, old: Item | None, new: Item | None, *, at: int, number: int, **more: object
) -> dict[str, Any]:
    changed: dict[str, Any] = {
        "ApproximateCreationDateTime": float(at),
        "Keys": to_wire(key.attributes),
        "SequenceNumber": f"{number}",
    }
    images = {name: to_wire(item) for name, item in (("OldImage", old), ("NewImage", new)) if item is not None}
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": STREAM.format(key.table),
        "dynamodb": {**changed, **images},
        **more,
    }


@dataclass
class Bus:
    """An EventBridge client that keeps the entries, and fails where a test wants it to."""

    entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    fails: Callable[[dict[str, Any]], str | None] = lambda _entry: None
    is_down: bool = False

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - botocore's spelling
        assert 1 <= len(Entries) <= 10
        if self.is_down:
            raise DependencyUnavailable("EventBridge PutEvents: EndpointConnectionError")
        answers: list[dict[str, Any]] = []
        for entry in Entries:
            error = self.fails(entry)
            if error is None:
                self.entries.append(entry)
            answers.append({"EventId": "1"} if error is None else {"ErrorCode": error, "ErrorMessage": "secret"})
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    @property
    def details(self) -> list[dict[str, Any]]:
        return [json.loads(entry["Detail"]) for entry in self.entries]


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


type Publish = Callable[[], dict[str, dict[str, Any]]]
"""Publishes the changes since the last call; returns the data of each event type."""


def test_a_registration_publishes_events_of_account_organization_and_session(
    streaming: Deployment, publish: Publish
) -> None:
    user = streaming.register()

    events = publish()

    assert events.keys() == {"account.created", "organization.created", "membership.created", "session.opened"}
    assert events["account.created"] == {
        "account_id": user.user_id,
        "email": ALICE.email,
        "email_verified": False,
        "username": ALICE.username,
        "name": ALICE.name,
        "is_anonymous": False,
        "organization_id": user.organization_id,
        "created_at": user.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert events["organization.created"] == {"organization_id": user.organization_id, "name": ALICE.founds}
    assert events["membership.created"] == {
        "organization_id": user.organization_id,
        "account_id": user.user_id,
        "role": "CLIENT_OWNER",
    }
    assert events["session.opened"]["account_id"] == user.user_id
    assert events["session.opened"]["method"] == "password"


def test_an_event_has_bus_source_type_and_time(
    streaming: Deployment, publish: Publish, bus: Bus, clock: FakeClock
) -> None:
    streaming.register()
    publish()

    for entry, detail in zip(bus.entries, bus.details, strict=True):
        assert (entry["EventBusName"], entry["Source"], entry["DetailType"]) == (
            "audit",
            "gerbang.test",
            detail["type"],
        )
        assert to_epoch(entry["Time"]) == to_epoch(clock())


def test_an_event_contains_no_secret(streaming: Deployment, publish: Publish, bus: Bus, store: Streaming) -> None:
    """Although the records of the stream contain them."""
    session = streaming.sessions.open(streaming.register(), HOME, "password")
    stored = json.dumps(store.records)
    publish()

    said = json.dumps(bus.details)
    for secret in ("$bcrypt-sha256$", "password_hash", "nonce", HOME.address, HOME.device):
        assert secret in stored
        assert secret not in said
    assert session.tokens.refresh_token not in stored


def test_a_refresh_and_a_sign_out_publish_no_event(streaming: Deployment, publish: Publish, store: Streaming) -> None:
    session = streaming.sessions.open(streaming.register(), HOME, "password")
    store.records.clear()

    following = streaming.sessions.refresh(session.tokens.refresh_token)
    streaming.sessions.close(following.tokens.access_token)

    assert len(store.records) == 2
    assert publish() == {}


def reuse_refresh_token(deployment: Deployment) -> SignedIn:
    """Use a refresh token again after its successor was used."""
    session = deployment.sessions.open(deployment.register(), HOME, "password")
    following = deployment.sessions.refresh(session.tokens.refresh_token)
    deployment.sessions.authenticate(following.tokens.access_token)
    with pytest.raises(RefreshTokenReused):
        deployment.sessions.refresh(session.tokens.refresh_token)
    return following


def test_a_suspected_theft_publishes_one_event(streaming: Deployment, publish: Publish, bus: Bus) -> None:
    session = reuse_refresh_token(streaming)

    events = publish()

    assert events["session.theft_suspected"] == {"account_id": session.user.user_id, "session_id": session.family_id}
    assert [detail["type"] for detail in bus.details].count("session.theft_suspected") == 1
    assert all(family.family_id != session.family_id for family in streaming.families.list(session.user.user_id))


def change_new_account(deployment: Deployment, store: Streaming, **changes: Any) -> str:
    """Register an account and change it; return its id."""
    user = deployment.register()
    store.records.clear()
    store.write(Update(deployment.users.key(user.user_id), changes, ()))
    return user.user_id


def test_verifying_an_address_publishes_an_event(
    streaming: Deployment, publish: Publish, store: Streaming, clock: FakeClock
) -> None:
    change_new_account(streaming, store, email_verified_at=to_epoch(clock()))

    assert publish()["account.verified"]["email_verified"] is True


def test_disabling_and_enabling_publish_events(
    streaming: Deployment, publish: Publish, store: Streaming, clock: FakeClock
) -> None:
    user_id = change_new_account(streaming, store, disabled_at=to_epoch(clock()))
    assert publish() == {"account.disabled": {"account_id": user_id, "until": None}}

    store.write(Update(streaming.users.key(user_id), {"disabled_at": Gone()}, ()))
    assert publish() == {"account.enabled": {"account_id": user_id}}


def test_a_ban_publishes_an_event_unless_it_has_ended(
    streaming: Deployment, publish: Publish, store: Streaming, clock: FakeClock
) -> None:
    until = clock() + timedelta(hours=1)
    user_id = change_new_account(streaming, store, banned_until=to_epoch(until))
    ban = {"account_id": user_id, "until": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert publish() == {"account.disabled": ban}

    clock.advance(timedelta(hours=2))
    store.write(Update(streaming.users.key(user_id), {"banned_until": to_epoch(until) + 1}, ()))
    assert publish() == {}


def test_a_guest_who_registers_publishes_another_event(
    streaming: Deployment, publish: Publish, store: Streaming
) -> None:
    guest = streaming.guests.admit(HOME).user
    assert publish()["account.created"]["is_anonymous"] is True

    store.write(Update(streaming.users.key(guest.user_id), {"is_anonymous": False}, ()))

    assert publish()["account.registered"]["is_anonymous"] is False


@pytest.mark.parametrize(
    ("more", "reason"),
    [({}, "deleted"), ({"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}, "expired")],
)
def test_a_deletion_publishes_an_event_with_its_reason(
    streaming: Deployment, publish: Publish, store: Streaming, more: Mapping[str, object], reason: str
) -> None:
    user = streaming.register()
    store.records.clear()
    store.write(Delete(streaming.users.key(user.user_id)))
    store.records[0] |= more

    assert publish() == {"account.deleted": {"account_id": user.user_id, "reason": reason}}


@pytest.mark.parametrize(("sort_key", "of"), [("ORG", ("organization", "name")), ("MEMBER#{}", ("membership", "role"))])
def test_changes_of_an_organization_publish_events(
    streaming: Deployment, publish: Publish, store: Streaming, sort_key: str, of: tuple[str, str]
) -> None:
    user, (kind, attribute) = streaming.register(), of
    store.records.clear()
    key = Key("Organizations", f"ORG#{user.organization_id}", sort_key.format(user.user_id))

    store.write(Update(key, {attribute: "other"}, ()))
    assert publish()[f"{kind}.changed"][attribute] == "other"
    store.write(Update(key, {"attribute_of_the_operator": 1}, ()))
    assert publish() == {}
    store.write(Delete(key))
    assert publish().keys() == {f"{kind}.deleted"}


@pytest.mark.parametrize("sort_key", ["IDENTITY#google#1", "FACTOR#1", "PASSKEY#1", "-"])
def test_other_items_of_an_account_publish_no_event(publisher: Publisher, bus: Bus, sort_key: str) -> None:
    change = stream_record(Key("Users", "USER#1", sort_key), None, {"secret": "x"}, at=1, number=1)

    assert publisher.publish([change]) is None
    assert bus.entries == []


def test_a_damaged_item_does_not_block_the_stream(publisher: Publisher, bus: Bus) -> None:
    damaged: dict[str, Value] = {"created_at": "yesterday", "amr": "{"}
    records = [
        stream_record(Key("Users", "USER#1", "ACCOUNT"), None, damaged, at=1, number=1),
        stream_record(Key("RefreshTokenFamilies", "1", "2"), None, damaged, at=1, number=2),
        stream_record(Key("RefreshTokenFamilies", "1", "3"), None, {}, at=1, number=3),
        stream_record(Key("Organizations", "ORG#1", "INVITATION#1"), None, damaged, at=1, number=4),
    ]

    assert publisher.publish(records) is None

    assert [detail["type"] for detail in bus.details] == ["account.created", "session.opened", "session.opened"]
    for detail in bus.details:
        Draft202012Validator(SCHEMA).validate(detail)


# Events are published at least once, in order


def test_a_repeated_event_has_the_same_id(
    streaming: Deployment, publisher: Publisher, bus: Bus, store: Streaming
) -> None:
    streaming.register()

    for _ in range(2):
        assert publisher.publish(store.records) is None

    ids = [detail["id"] for detail in bus.details]
    half = len(ids) // 2
    assert ids[:half] == ids[half:]
    assert len(set(ids)) == half


def session_records(number: int) -> list[dict[str, Any]]:
    return [
        stream_record(Key("RefreshTokenFamilies", "1", f"{n}"), None, {}, at=1, number=n) for n in range(1, number + 1)
    ]


def test_events_are_put_ten_at_a_time_in_order(publisher: Publisher, bus: Bus) -> None:
    assert publisher.publish(session_records(25)) is None

    assert [detail["data"]["session_id"] for detail in bus.details] == [f"{n}" for n in range(1, 26)]


def test_after_a_rejected_event_all_later_ones_are_delivered_again(
    publisher: Publisher, bus: Bus, log: RecordingLog
) -> None:
    """Lambda delivers the batch again from the reported number on."""
    bus.fails = lambda entry: "ThrottlingException" if '"13"' in entry["Detail"] else None

    answer = handler(publisher)({"Records": session_records(25)}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "13"}]}
    [note] = [note for note in log.notes if note.event == "events_delayed"]
    assert note.fields == {"sequence_number": "13", "reason": "ThrottlingException"}
    bus.fails = lambda _entry: None
    assert handler(publisher)({"Records": session_records(25)[12:]}, None) == {"batchItemFailures": []}
    assert {detail["data"]["session_id"] for detail in bus.details} == {f"{n}" for n in range(1, 26)}


def test_without_the_bus_the_whole_batch_is_delivered_again(publisher: Publisher, bus: Bus) -> None:
    bus.is_down = True

    assert publisher.publish(session_records(3)) == "1"


def test_an_empty_batch_makes_no_call(publisher: Publisher, bus: Bus, log: RecordingLog) -> None:
    bus.is_down = True

    assert publisher.publish([]) is None
    assert log.events == []


def test_the_example_in_the_documentation_is_valid() -> None:
    [example] = [json.loads(block) for block in re.findall(r"```json\n(\{\n  \"version\".*?)```", DOCUMENT, re.DOTALL)]

    Draft202012Validator(SCHEMA).validate(example["detail"])
    assert example["detail-type"] == example["detail"]["type"]


def test_every_event_type_is_in_the_documentation() -> None:
    enumerated = re.findall(r'"((?:account|session|organization|membership)\.[a-z_]+)"', json.dumps(SCHEMA["oneOf"]))
    rows = re.findall(r"`((?:account|session|organization|membership)\.[a-z_]+)`", DOCUMENT)

    assert set(enumerated) <= set(rows)
