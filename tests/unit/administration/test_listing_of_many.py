"""Ten thousand accounts on DynamoDB Local are listed completely while accounts are added and removed."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import replace
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from gerbang.sessions.api_keys import ApiKeys
from gerbang.storage.accounts import User
from gerbang.storage.dynamodb import DynamoStore, to_wire
from gerbang.storage.users import UserTable
from gerbang_local.declarations import ROOT, function_in

from tests.conftest import Database, deployed_on
from tests.dynamodb_local import create_tables
from tests.fakes import FakeClock, FakeSecret, FakeSecretText, RecordingLog
from tests.gateway_events import body_of, http_event
from tests.unit.handlers import PUBLISHABLE_KEY, SECRET_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ACCOUNTS: Final = 10_000
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def account(number: int) -> User:
    """Account 0 was created at NOW, and each following one two hours earlier."""
    at = NOW - timedelta(hours=2 * number)
    return User(
        user_id=f"{number:08x}-0000-4000-8000-000000000000",
        name="",
        number=number + 1,
        email=f"user-{number}@example.com",
        created_at=at,
        updated_at=at,
    )


@pytest.fixture
def own_tables(dynamodb_client: "DynamoDBClient") -> Iterator[Mapping[str, str]]:
    """Tables that are deleted with their items. Deleting the items one by one would take longer than the test."""
    template = (ROOT / "template.yaml").read_text("utf-8")
    tables = create_tables(dynamodb_client, template=template, prefix=f"many-{uuid4().hex[:8]}-")
    yield tables
    for name in tables.values():
        dynamodb_client.delete_table(TableName=name)


def write_accounts(client: "DynamoDBClient", users: UserTable, accounts: Iterator[User]) -> None:
    """Write accounts in batches, without the markers of their names."""
    puts = (users.creation(user)[None] for user in accounts)
    requests = ({"PutRequest": {"Item": to_wire({**put.key.attributes, **put.item})}} for put in puts)

    def send(batch: tuple[Any, ...]) -> None:
        remaining: Any = {users.table: list(batch)}
        while remaining:
            remaining = client.batch_write_item(RequestItems=remaining).get("UnprocessedItems")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, batched(requests, 25, strict=False)))


@pytest.mark.storage
def test_ten_thousand_accounts_are_listed_completely_while_accounts_are_added_and_removed(
    dynamodb_client: "DynamoDBClient", own_tables: Mapping[str, str]
) -> None:
    database = Database(DynamoStore(dynamodb_client), own_tables, lambda _: [])
    base = deployed_on(database, clock=FakeClock(NOW), log_event=RecordingLog(), secret=FakeSecret())
    base = replace(base, api_keys=ApiKeys(PUBLISHABLE_KEY, FakeSecretText(SECRET_KEY), base.clock))
    handler = function_in("auth/v1/admin/users").load(base).handler
    write_accounts(dynamodb_client, base.users, map(account, range(ACCOUNTS)))
    headers = {"apikey": SECRET_KEY, "authorization": f"Bearer {SECRET_KEY}"}
    listed: list[str] = []
    removed: set[str] = set()
    number, links = 0, 'rel="next"'

    while 'rel="next"' in links:
        number += 1
        # Delete one account that was listed and one that was not, and create one.
        for index in (40 * number, ACCOUNTS - 7 * number):
            user_id = account(index).user_id
            if base.deletion.delete_by_id(user_id):
                removed.add(user_id)
        base.clock.advance(timedelta(seconds=1))
        new_user = replace(account(ACCOUNTS + number), created_at=base.clock(), updated_at=base.clock())
        assert not base.store.commit(*base.users.creation(new_user).values())
        query = {"page": str(number), "per_page": "200"}
        answer = handler(http_event(method="GET", headers=headers, query=query), None)
        assert answer["statusCode"] == 200, answer
        listed += [user["id"] for user in body_of(answer)["users"]]
        links = json.dumps(answer["headers"]["link"]).replace("\\", "")
        assert abs(int(answer["headers"]["x-total-count"]) - ACCOUNTS) <= 2

    assert len(listed) == len(set(listed)), "an account is listed twice"
    assert {account(index).user_id for index in range(ACCOUNTS)} - removed <= set(listed), "an account is missing"
    assert len(removed) > 90
    assert number in {50, 51}
