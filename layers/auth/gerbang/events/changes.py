"""Turns changes of items into events for other services.

An event contains only the members listed here: no password hash, code, token, nonce, metadata, client address or
device. Attributes are read as they are stored, so that the change of a damaged item is an event, too. (docs/events.md)
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid5

from gerbang.core.clock import from_epoch, rfc3339, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.storage.store import Item

VERSION: Final = 1
"""The version of the events' schema. It is raised when a member is removed or changes its meaning, not for new ones."""

_IDS: Final = UUID("5c4b1b0e-9d0f-4f0e-8f55-3a1f5d0f8f5e")
"""The namespace of event ids (RFC 9562, section 5.5)."""

_FOREVER: Final = -1
"""In place of an end: the account is disabled for good."""

type Data = dict[str, object]


class Kind(StrEnum):
    """What happened to an item, as DynamoDB Streams names it."""

    INSERT = "INSERT"
    MODIFY = "MODIFY"
    REMOVE = "REMOVE"


class Table(StrEnum):
    """The tables whose changes are events."""

    USERS = "users"
    FAMILIES = "families"
    ORGANIZATIONS = "organizations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of one item: a record of a table's stream."""

    record_id: str
    """The same each time the record is delivered."""
    table: Table
    kind: Kind
    pk: str
    sk: str
    old: Item
    """The item before the change; empty if there was none."""
    new: Item
    """The item after the change; empty if there is none."""
    at: datetime
    by_ttl: bool
    """Whether DynamoDB removed it because it had expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event for other services."""

    event_id: str
    """The same each time the change is delivered, so that a consumer can recognize a duplicate."""
    type: str
    at: datetime
    data: Data

    def detail(self) -> Data:
        """Return the event as JSON: the `detail` of EventBridge's event."""
        return {"id": self.event_id, "version": VERSION, "type": self.type, "at": rfc3339(self.at), "data": self.data}


def events_of(change: Change) -> tuple[Event, ...]:
    """Return the events of a change; none for most changes, such as refreshes and markers."""
    match change.table:
        case Table.USERS if change.sk == "ACCOUNT":
            found = _account_events(change)
        case Table.FAMILIES:
            found = _session_events(change)
        case Table.ORGANIZATIONS:
            found = _organization_events(change)
        case _:
            return ()
    return tuple(
        Event(event_id=str(uuid5(_IDS, f"{change.record_id} {kind}")), type=kind, at=change.at, data=data)
        for kind, data in found
    )


def _account_events(change: Change) -> Iterator[tuple[str, Data]]:
    old, new, at = change.old, change.new, to_epoch(change.at)
    account_id = change.pk.removeprefix("USER#")
    match change.kind:
        case Kind.INSERT:
            yield "account.created", _account(account_id, new)
        case Kind.REMOVE:
            yield "account.deleted", {"account_id": account_id, "reason": "expired" if change.by_ttl else "deleted"}
        case Kind.MODIFY:
            if old.get("is_anonymous") and not new.get("is_anonymous"):
                yield "account.registered", _account(account_id, new)
            if "email_verified_at" in new and "email_verified_at" not in old:
                yield "account.verified", _account(account_id, new)
            before, after = _disabled_until(old, at), _disabled_until(new, at)
            if after != before and after is not None:
                until = None if after == _FOREVER else _time(after)
                yield "account.disabled", {"account_id": account_id, "until": until}
            elif after != before:
                yield "account.enabled", {"account_id": account_id}


def _disabled_until(item: Item, at: int) -> int | None:
    """Return until when an account is disabled, `_FOREVER` if it was disabled for good, None if it is not."""
    if "disabled_at" in item:
        return _FOREVER
    until = item.get("banned_until")
    return until if isinstance(until, int) and until > at else None


def _account(account_id: str, item: Item) -> Data:
    return {
        "account_id": account_id,
        "email": item.get("email"),
        "email_verified": "email_verified_at" in item,
        "username": item.get("username"),
        "name": item.get("name", ""),
        "is_anonymous": bool(item.get("is_anonymous")),
        "organization_id": item.get("organization_id"),
        "created_at": _time(item.get("created_at")),
    }


def _session_events(change: Change) -> Iterator[tuple[str, Data]]:
    session: Data = {"account_id": change.pk, "session_id": change.sk}
    if change.kind is Kind.INSERT:
        yield "session.opened", {**session, "method": _method(change.new)}
    elif "reused_at" in change.new and "reused_at" not in change.old:
        yield "session.theft_suspected", session


def _method(family: Item) -> str | None:
    """Return how the user signed in, from the family's `amr`; None if it cannot be read."""
    try:
        [first, *_] = json.loads(str(family.get("amr", "")))
        return str(first["method"])
    except (KeyError, TypeError, ValueError):
        return None


def _organization_events(change: Change) -> Iterator[tuple[str, Data]]:
    organization: Data = {"organization_id": change.pk.removeprefix("ORG#")}
    item = change.new or change.old
    if change.sk == "ORG":
        attribute, kind = "name", "organization"
    elif change.sk.startswith("MEMBER#"):
        attribute, kind = "role", "membership"
        organization["account_id"] = change.sk.removeprefix("MEMBER#")
    else:
        return
    data = {**organization, attribute: item.get(attribute)}
    match change.kind:
        case Kind.INSERT:
            yield f"{kind}.created", data
        case Kind.REMOVE:
            yield f"{kind}.deleted", organization
        case Kind.MODIFY if change.old.get(attribute) != change.new.get(attribute):
            yield f"{kind}.changed", data
        case _:
            return


def _time(seconds: object) -> str | None:
    return rfc3339(from_epoch(seconds)) if isinstance(seconds, int) else None


def change_of(record: Mapping[str, Any], *, table: Table, old: Item, new: Item) -> Change:
    """Return the change that a record of a stream describes. *old* and *new* are its images, already decoded."""
    changed, identity = record["dynamodb"], record.get("userIdentity") or {}
    keys = changed["Keys"]
    return Change(
        record_id=str(record["eventID"]),
        table=table,
        kind=Kind(record["eventName"]),
        pk=str(keys["pk"]["S"]),
        sk=str(keys["sk"]["S"]),
        old=old,
        new=new,
        at=from_epoch(int(changed["ApproximateCreationDateTime"])),
        by_ttl=identity.get("principalId") == "dynamodb.amazonaws.com",
    )
