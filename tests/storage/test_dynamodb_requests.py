"""The requests of gerbang.storage.dynamodb, and how it reads the responses."""

import re

import pytest
from botocore.exceptions import (
    NoCredentialsError,
)
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    ConditionFailed,
    CopyOf,
    Delete,
    Equal,
    Gone,
    Greater,
    IfAbsent,
    Key,
    Less,
    Plus,
    Present,
    Put,
    Update,
)

from tests.storage.scripted import CALLS, KEY, NO_RESPONSE, OTHER, SUCCESS, WIRE_ITEM, ScriptedStore
from tests.wire_faults import error, failing, reply

# The requests


@pytest.mark.covers("F12", "D12")
def test_every_read_is_strongly_consistent(scripted: ScriptedStore) -> None:
    scripted.wire.script = [reply(Responses={})]

    scripted.store.get(KEY)
    scripted.store.get_all(KEY, OTHER)

    get, batch_get = scripted.wire.sent
    assert get.body["ConsistentRead"] is True
    assert [table["ConsistentRead"] for table in batch_get.body["RequestItems"].values()] == [True, True]


@pytest.mark.covers("D8")
def test_a_transaction_that_the_sdk_repeats_has_the_same_client_token(scripted: ScriptedStore) -> None:
    """So DynamoDB does it only once."""
    scripted.wire.script = [failing(NO_RESPONSE[0]), error("InternalServerError", 500), SUCCESS, SUCCESS]

    CALLS["commit"](scripted.store)
    CALLS["commit"](scripted.store)

    tokens = [sent.body["ClientRequestToken"] for sent in scripted.wire.sent]
    assert [tokens.count(token) for token in dict.fromkeys(tokens)] == [3, 1]


@pytest.mark.covers("D4")
def test_the_item_of_a_failed_condition_comes_from_the_response_without_another_request(
    scripted: ScriptedStore,
) -> None:
    scripted.wire.script = [error("ConditionalCheckFailedException", Item=WIRE_ITEM)]

    assert CALLS["update"](scripted.store) == ConditionFailed({"pk": "USER#1", "generation": 2})

    (sent,) = scripted.wire.sent
    assert sent.body["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


def test_every_action_of_a_transaction_requests_the_item_of_a_failed_condition(scripted: ScriptedStore) -> None:
    scripted.wire.script = [SUCCESS]

    scripted.store.commit(Put(KEY, {}), Update(OTHER, {"n": 1}), Delete(Key("Users", "2")))

    (sent,) = scripted.wire.sent
    actions = [action for item in sent.body["TransactItems"] for action in item.values()]
    assert [action["ReturnValuesOnConditionCheckFailure"] for action in actions] == ["ALL_OLD"] * 3


def test_attributes_of_unsupported_types_are_ignored(scripted: ScriptedStore) -> None:
    unsupported = {"L": {"L": []}, "M": {"M": {}}, "NULL": {"NULL": True}, "B": {"B": "AA=="}, "SS": {"SS": ["a"]}}
    scripted.wire.script = [reply(Item={**WIRE_ITEM, **unsupported})]

    assert scripted.store.get(KEY) == {"pk": "USER#1", "generation": 2}


def test_expressions_contain_only_placeholders(scripted: ScriptedStore) -> None:
    """ASVS 1.2.4: no name or value of a request becomes part of an expression's text."""
    hostile = "x) OR attribute_exists(pk) --"
    changes: dict[str, Change] = {
        hostile: hostile,
        "a": Plus(1),
        "b": CopyOf(hostile),
        "c": IfAbsent(hostile),
        "d": Gone(),
    }
    when = (Equal(hostile, hostile), Less("a", 1), Greater("b", 2), AnyOf((Absent(hostile), Present("d"))))
    scripted.wire.script = [SUCCESS]

    scripted.store.write(Update(Key("Users", hostile), changes, when))

    (sent,) = scripted.wire.sent
    words = re.compile(r"SET|REMOVE|ADD|AND|OR|if_not_exists|attribute_(not_)?exists|[#:]\d+|[=<>(),\s]")
    for expression in ("UpdateExpression", "ConditionExpression"):
        assert words.sub("", sent.body[expression]) == ""
    assert hostile in sent.body["ExpressionAttributeNames"].values()
    assert {"S": hostile} in sent.body["ExpressionAttributeValues"].values()


def test_missing_credentials_are_unavailable_until_they_exist(scripted: ScriptedStore) -> None:
    scripted.wire.script = [failing(NoCredentialsError()), reply()]

    with pytest.raises(DependencyUnavailable, match="NoCredentialsError"):
        scripted.store.get(KEY)

    assert scripted.store.get(KEY) is None
