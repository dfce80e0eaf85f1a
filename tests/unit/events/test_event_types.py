"""gerbang.events: changes are published as the events that docs/events.md describes."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from gerbang.core.clock import to_epoch
from gerbang.events.publishing import Publisher
from gerbang.sessions.sessions import RefreshTokenReused, SignedIn
from gerbang.storage.store import Delete, Gone, Key, Update, Value
from jsonschema import Draft202012Validator

from tests.deployment import ALICE, HOME, Deployment
from tests.fakes import FakeClock
from tests.unit.events.stream import DOCUMENT, SCHEMA, Bus, Publish, Streaming, stream_record


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


# The documentation


def test_the_example_in_the_documentation_is_valid() -> None:
    [example] = [json.loads(block) for block in re.findall(r"```json\n(\{\n  \"version\".*?)```", DOCUMENT, re.DOTALL)]

    Draft202012Validator(SCHEMA).validate(example["detail"])
    assert example["detail-type"] == example["detail"]["type"]


def test_every_event_type_is_in_the_documentation() -> None:
    enumerated = re.findall(r'"((?:account|session|organization|membership)\.[a-z_]+)"', json.dumps(SCHEMA["oneOf"]))
    rows = re.findall(r"`((?:account|session|organization|membership)\.[a-z_]+)`", DOCUMENT)

    assert set(enumerated) <= set(rows)
