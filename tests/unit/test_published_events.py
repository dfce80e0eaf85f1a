"""gerbang.events: what other services are told of changes, by the schema in docs/events.md, and what they are not."""

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
    """A store whose changes are the records of streams, as Lambda passes them on."""

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
                self.records.append(record(key, old, new, at=to_epoch(self.clock()), number=next(self._numbers)))
        return outcome


def record(key: Key, old: Item | None, new: Item | None, *, at: int, number: int, **more: object) -> dict[str, Any]:
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
    """EventBridge's client: keeps what was put, and fails as a test has chosen."""

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
def told(publisher: Publisher, bus: Bus, store: Streaming) -> "Told":
    """Publishes what has changed, checks it against the schema, and returns the data of each type."""

    def publish() -> dict[str, dict[str, Any]]:
        bus.entries.clear()
        assert publisher.publish(store.records) is None
        store.records.clear()
        for detail in bus.details:
            Draft202012Validator(SCHEMA).validate(detail)
        return {detail["type"]: detail["data"] for detail in bus.details}

    return publish


type Told = Callable[[], dict[str, dict[str, Any]]]
"""What has been told since it was last called: the data of each type."""


def test_registering_makes_events_of_account_organization_and_session(streaming: Deployment, told: Told) -> None:
    user = streaming.register()

    said = told()

    assert said.keys() == {"account.created", "organization.created", "membership.created", "session.opened"}
    assert said["account.created"] == {
        "account_id": user.user_id,
        "email": ALICE.email,
        "email_verified": False,
        "username": ALICE.username,
        "name": ALICE.name,
        "is_anonymous": False,
        "organization_id": user.organization_id,
        "created_at": user.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert said["organization.created"] == {"organization_id": user.organization_id, "name": ALICE.founds}
    assert said["membership.created"] == {
        "organization_id": user.organization_id,
        "account_id": user.user_id,
        "role": "CLIENT_OWNER",
    }
    assert said["session.opened"]["account_id"] == user.user_id
    assert said["session.opened"]["method"] == "password"


def test_an_event_has_the_source_bus_time_and_type_that_rules_match(
    streaming: Deployment, told: Told, bus: Bus, clock: FakeClock
) -> None:
    streaming.register()
    told()

    for entry, detail in zip(bus.entries, bus.details, strict=True):
        assert (entry["EventBusName"], entry["Source"], entry["DetailType"]) == (
            "audit",
            "gerbang.test",
            detail["type"],
        )
        assert to_epoch(entry["Time"]) == to_epoch(clock())


def test_no_secret_hash_or_code_is_in_an_event(streaming: Deployment, told: Told, bus: Bus, store: Streaming) -> None:
    """Of everything that the images of the stream hold."""
    session = streaming.sessions.open(streaming.register(), HOME, "password")
    stored = json.dumps(store.records)
    told()

    said = json.dumps(bus.details)
    for secret in ("$bcrypt-sha256$", "password_hash", "nonce", HOME.address, HOME.device):
        assert secret in stored
        assert secret not in said
    assert session.tokens.refresh_token not in stored


def test_an_ordinary_refresh_and_a_sign_out_make_no_event(streaming: Deployment, told: Told, store: Streaming) -> None:
    session = streaming.sessions.open(streaming.register(), HOME, "password")
    store.records.clear()

    following = streaming.sessions.refresh(session.tokens.refresh_token)
    streaming.sessions.close(following.tokens.access_token)

    assert len(store.records) == 2
    assert told() == {}


def steal(deployment: Deployment) -> SignedIn:
    """Have a used refresh token come back although its successor is in use."""
    session = deployment.sessions.open(deployment.register(), HOME, "password")
    following = deployment.sessions.refresh(session.tokens.refresh_token)
    deployment.sessions.authenticate(following.tokens.access_token)
    with pytest.raises(RefreshTokenReused):
        deployment.sessions.refresh(session.tokens.refresh_token)
    return following


def test_a_suspected_theft_is_told_once(streaming: Deployment, told: Told, bus: Bus) -> None:
    session = steal(streaming)

    said = told()

    assert said["session.theft_suspected"] == {"account_id": session.user.user_id, "session_id": session.family_id}
    assert [detail["type"] for detail in bus.details].count("session.theft_suspected") == 1
    assert all(family.family_id != session.family_id for family in streaming.families.list(session.user.user_id))


def changed(deployment: Deployment, store: Streaming, **changes: Any) -> str:
    """Change a new account; return its id."""
    user = deployment.register()
    store.records.clear()
    store.write(Update(deployment.users.key(user.user_id), changes, ()))
    return user.user_id


def test_verifying_an_address_is_told(streaming: Deployment, told: Told, store: Streaming, clock: FakeClock) -> None:
    changed(streaming, store, email_verified_at=to_epoch(clock()))

    assert told()["account.verified"]["email_verified"] is True


def test_disabling_and_enabling_are_told(streaming: Deployment, told: Told, store: Streaming, clock: FakeClock) -> None:
    user_id = changed(streaming, store, disabled_at=to_epoch(clock()))
    assert told() == {"account.disabled": {"account_id": user_id, "until": None}}

    store.write(Update(streaming.users.key(user_id), {"disabled_at": Gone()}, ()))
    assert told() == {"account.enabled": {"account_id": user_id}}


def test_a_ban_is_told_with_its_end_and_a_ban_in_the_past_is_none(
    streaming: Deployment, told: Told, store: Streaming, clock: FakeClock
) -> None:
    until = clock() + timedelta(hours=1)
    user_id = changed(streaming, store, banned_until=to_epoch(until))
    ban = {"account_id": user_id, "until": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert told() == {"account.disabled": ban}

    clock.advance(timedelta(hours=2))
    store.write(Update(streaming.users.key(user_id), {"banned_until": to_epoch(until) + 1}, ()))
    assert told() == {}


def test_a_guest_who_registers_is_told_again(streaming: Deployment, told: Told, store: Streaming) -> None:
    guest = streaming.guests.admit(HOME).user
    assert told()["account.created"]["is_anonymous"] is True

    store.write(Update(streaming.users.key(guest.user_id), {"is_anonymous": False}, ()))

    assert told()["account.registered"]["is_anonymous"] is False


@pytest.mark.parametrize(
    ("more", "reason"),
    [({}, "deleted"), ({"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}, "expired")],
)
def test_deletion_is_told_with_its_reason(
    streaming: Deployment, told: Told, store: Streaming, more: Mapping[str, object], reason: str
) -> None:
    user = streaming.register()
    store.records.clear()
    store.write(Delete(streaming.users.key(user.user_id)))
    store.records[0] |= more

    assert told() == {"account.deleted": {"account_id": user.user_id, "reason": reason}}


@pytest.mark.parametrize(("sort_key", "of"), [("ORG", ("organization", "name")), ("MEMBER#{}", ("membership", "role"))])
def test_changes_of_an_organization_are_told(
    streaming: Deployment, told: Told, store: Streaming, sort_key: str, of: tuple[str, str]
) -> None:
    user, (kind, attribute) = streaming.register(), of
    store.records.clear()
    key = Key("Organizations", f"ORG#{user.organization_id}", sort_key.format(user.user_id))

    store.write(Update(key, {attribute: "other"}, ()))
    assert told()[f"{kind}.changed"][attribute] == "other"
    store.write(Update(key, {"something_of_the_operators": 1}, ()))
    assert told() == {}
    store.write(Delete(key))
    assert told().keys() == {f"{kind}.deleted"}


@pytest.mark.parametrize("sort_key", ["IDENTITY#google#1", "FACTOR#1", "PASSKEY#1", "-"])
def test_other_items_under_an_accounts_key_make_no_event(publisher: Publisher, bus: Bus, sort_key: str) -> None:
    change = record(Key("Users", "USER#1", sort_key), None, {"secret": "x"}, at=1, number=1)

    assert publisher.publish([change]) is None
    assert bus.entries == []


def test_a_damaged_item_holds_up_nothing(publisher: Publisher, bus: Bus) -> None:
    damaged: dict[str, Value] = {"created_at": "yesterday", "amr": "{"}
    records = [
        record(Key("Users", "USER#1", "ACCOUNT"), None, damaged, at=1, number=1),
        record(Key("RefreshTokenFamilies", "1", "2"), None, damaged, at=1, number=2),
        record(Key("RefreshTokenFamilies", "1", "3"), None, {}, at=1, number=3),
        record(Key("Organizations", "ORG#1", "INVITATION#1"), None, damaged, at=1, number=4),
    ]

    assert publisher.publish(records) is None

    assert [detail["type"] for detail in bus.details] == ["account.created", "session.opened", "session.opened"]
    for detail in bus.details:
        Draft202012Validator(SCHEMA).validate(detail)


# At least once, in order


def test_a_change_that_is_delivered_again_has_the_same_id(
    streaming: Deployment, publisher: Publisher, bus: Bus, store: Streaming
) -> None:
    streaming.register()

    for _ in range(2):
        assert publisher.publish(store.records) is None

    ids = [detail["id"] for detail in bus.details]
    half = len(ids) // 2
    assert ids[:half] == ids[half:]
    assert len(set(ids)) == half


def many(number: int) -> list[dict[str, Any]]:
    return [record(Key("RefreshTokenFamilies", "1", f"{n}"), None, {}, at=1, number=n) for n in range(1, number + 1)]


def test_many_events_are_put_ten_at_a_time_in_their_order(publisher: Publisher, bus: Bus) -> None:
    assert publisher.publish(many(25)) is None

    assert [detail["data"]["session_id"] for detail in bus.details] == [f"{n}" for n in range(1, 26)]


def test_an_event_that_the_bus_refuses_is_delivered_again_and_all_after_it(
    publisher: Publisher, bus: Bus, log: RecordingLog
) -> None:
    """A batch is done up to there: Lambda goes on from the number that is named."""
    bus.fails = lambda entry: "ThrottlingException" if '"13"' in entry["Detail"] else None

    answer = handler(publisher)({"Records": many(25)}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "13"}]}
    [note] = [note for note in log.notes if note.event == "events_delayed"]
    assert note.fields == {"sequence_number": "13", "reason": "ThrottlingException"}
    bus.fails = lambda _entry: None
    assert handler(publisher)({"Records": many(25)[12:]}, None) == {"batchItemFailures": []}
    assert {detail["data"]["session_id"] for detail in bus.details} == {f"{n}" for n in range(1, 26)}


def test_while_the_bus_is_down_nothing_is_dealt_with(publisher: Publisher, bus: Bus) -> None:
    bus.is_down = True

    assert publisher.publish(many(3)) == "1"


def test_nothing_to_publish_calls_nothing(publisher: Publisher, bus: Bus, log: RecordingLog) -> None:
    bus.is_down = True

    assert publisher.publish([]) is None
    assert log.events == []


def test_the_example_in_the_document_is_an_event() -> None:
    [example] = [json.loads(block) for block in re.findall(r"```json\n(\{\n  \"version\".*?)```", DOCUMENT, re.DOTALL)]

    Draft202012Validator(SCHEMA).validate(example["detail"])
    assert example["detail-type"] == example["detail"]["type"]


def test_every_type_is_in_the_table_of_the_document() -> None:
    enumerated = re.findall(r'"((?:account|session|organization|membership)\.[a-z_]+)"', json.dumps(SCHEMA["oneOf"]))
    rows = re.findall(r"`((?:account|session|organization|membership)\.[a-z_]+)`", DOCUMENT)

    assert set(enumerated) <= set(rows)
