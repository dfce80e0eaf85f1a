"""AWS in memory: moto, changed for many threads, and a mailbox instead of SES.

moto answers botocore's requests inside the process. It is made for tests that make one call at a time. Here handlers
run in parallel, so some of it is changed:

- There is a lock around each call. DynamoDB's conditional writes and transactions are atomic, but moto reads, checks
  and writes without a lock: of fifty racing updates several would succeed.
- A transaction copies the lists of items for its rollback, not every item. Otherwise registering the thousandth account
  took a third of a second.
- The methods of a class are looked up once, and aliases of the members of an attribute are not looked up: reading an
  item takes a third of the time.
- `SendEmail` goes to the `Mailbox`: moto stores only text or HTML, and requires verified senders.
"""

import copy
import functools
import json
import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, cast
from unittest.mock import patch
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from moto import mock_aws
from moto.core import responses
from moto.core.models import botocore_stubber
from moto.core.serialize import JSONSerializer
from moto.core.utils import method_names_from_class
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.sqs.models import Message

from gerbang_local.mailbox import Mailbox

# Attribute types whose values are JSON already. The others contain bytes, or attributes.
_PLAIN: Final = frozenset({"BOOL", "N", "NS", "NULL", "S", "SS"})
_PUT_EVENTS: Final = "AWSEvents.PutEvents"  # botocore's events service model
_SEND_EMAIL: Final = "/v2/email/outbound-emails"  # botocore's sesv2 service model, SendEmail

access_log: Final = logging.getLogger("gerbang_local.access")


@contextmanager
def aws_in_memory(mailbox: Mailbox) -> Iterator[None]:
    """Answer every AWS call of this process in memory until the block ends, and put its mails into *mailbox*."""
    one_at_a_time = threading.RLock()
    moto_answer = botocore_stubber.process_request

    def answer(request: "AWSPreparedRequest") -> Any:
        if request.method == "POST" and urlsplit(request.url).path == _SEND_EMAIL:
            return _send_email(request, mailbox)
        if _PUT_EVENTS in str(request.headers.get("X-Amz-Target")):  # botocore has bytes there
            _show_events(request)
        with one_at_a_time:
            return moto_answer(request)

    with ExitStack() as changes:
        changes.enter_context(mock_aws(config={"core": {"mock_credentials": False}}))
        changes.enter_context(patch.object(botocore_stubber, "process_request", answer))
        changes.enter_context(patch.object(Table, "__deepcopy__", _snapshot, create=True))
        changes.enter_context(
            patch.object(DynamoDBBackend, "update_item", _updating_a_copy(DynamoDBBackend.update_item))
        )
        names = functools.cache(method_names_from_class)
        changes.enter_context(patch.object(responses, "method_names_from_class", names))
        serialize = JSONSerializer._serialize_type_structure  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        serialize = _passing_attributes_on(serialize)
        changes.enter_context(patch.object(JSONSerializer, "_serialize_type_structure", serialize))
        for model in (Item, Message, Table):
            # moto keeps every instance for its dashboard, which would fill the memory.
            changes.enter_context(patch.object(model, "instances_tracked", deque(maxlen=0)))
        yield


def _send_email(request: AWSPreparedRequest, mailbox: Mailbox) -> tuple[int, dict[str, str], bytes]:
    """Answer SES v2 `SendEmail`."""
    try:
        mailbox.receive(json.loads(cast("bytes", request.body)))
    except ValueError as error:
        answer = {"message": str(error)}
        return 400, {"x-amzn-ErrorType": "BadRequestException"}, json.dumps(answer).encode()
    return 200, {"Content-Type": "application/json"}, json.dumps({"MessageId": str(uuid.uuid4())}).encode()


def _show_events(request: AWSPreparedRequest) -> None:
    """Log the events of EventBridge's `PutEvents` to the access log: moto's bus has no targets."""
    for entry in json.loads(cast("bytes", request.body))["Entries"]:
        access_log.info("event %s %s", entry["EventBusName"], entry["Detail"])


def _snapshot(table: Table, _memo: dict[int, Any]) -> Table:
    """Return the current table, sharing its items: what moto's transactions put back when they are cancelled.

    Safe because items are replaced, never changed: `put_item` and `delete_item` do so by themselves, `update_item`
    through `_updating_a_copy`.
    """
    twin = cast("Table", Table.__new__(Table))
    vars(twin).update(vars(table))
    twin.items = copy.copy(table.items)
    if table.range_key_attr is not None:
        for hash_key, items in twin.items.items():
            twin.items[hash_key] = copy.copy(items)
    return twin


def _updating_a_copy(update_item: Callable[..., Item]) -> Callable[..., Item]:
    """Return moto's *update_item*, changed to replace the item by a copy and update the copy."""

    def update(backend: DynamoDBBackend, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        table = backend.get_table(table_name)
        if key.keys() == set(table.table_key_attrs):
            hash_key, range_key = backend.get_keys_value(table, key)
            item = copy.deepcopy(table.get_item(hash_key, range_key))
            items = cast("dict[Any, Any]", table.items if range_key is None else table.items[hash_key])
            if item is not None:
                items[range_key or hash_key] = item
        return update_item(backend, table_name, key, *args, **kwargs)

    return update


def _passing_attributes_on(serialize: Callable[..., None]) -> Callable[..., None]:
    """Return moto's serializer of structures, changed to pass on `AttributeValue`s that are JSON already."""

    def serialize_structure(self: JSONSerializer, into: dict[str, Any], value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and isinstance(value, dict) and _PLAIN.issuperset(value):
            into[key] = value
        else:
            serialize(self, into, value, shape, key)

    return serialize_structure
