"""tests.deploy.iam decides correctly whether a policy allows a call."""

import pytest

from tests.deploy.iam import Call, UnknownPolicy, grants

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/Users"


def allowed(call: Call, *statements: dict[str, object]) -> bool:
    return any(grant.allows(call) for grant in grants({"Statement": list(statements)}))


def statement(action: object, resource: object, **more: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("dynamodb:GetItem", TABLE, True),
        ("dynamodb:getitem", TABLE, True),
        (["dynamodb:PutItem", "dynamodb:GetItem"], ["elsewhere", TABLE], True),
        ("dynamodb:Get*", "arn:aws:dynamodb:*:*:table/U?ers", True),
        ("dynamodb:GetItem", f"{TABLE}/index/*", False),
        ("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:123456789012:table/User", False),
        ("dynamodb:BatchGetItem", TABLE, False),
        ("dynamodb:Get?tem", "*", True),
        ("dynamodb:Get?em", "*", False),
    ],
)
def test_a_statement_allows_a_call_with_a_matching_action_and_resource(
    action: object, resource: object, *, expected: bool
) -> None:
    assert allowed(Call("dynamodb:GetItem", TABLE), statement(action, resource)) is expected


def test_a_policy_without_statements_allows_nothing() -> None:
    assert not allowed(Call("dynamodb:GetItem", TABLE))


@pytest.mark.parametrize(("sender", "expected"), [("us@example.com", True), ("them@example.com", False), (None, False)])
def test_a_call_needs_to_meet_the_condition(sender: str | None, *, expected: bool) -> None:
    context = {} if sender is None else {"ses:FromAddress": sender}
    ours = statement("ses:SendEmail", "*", Condition={"StringEquals": {"ses:FromAddress": "us@example.com"}})

    assert allowed(Call("ses:SendEmail", "arn:aws:ses:::identity/example.com", context), ours) is expected


@pytest.mark.parametrize(
    "unknown",
    [
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "NotResource": "*"},
        statement("*", "*", Condition={"StringLike": {"ses:FromAddress": "*"}}),
    ],
)
def test_unsupported_elements_raise_an_error(unknown: dict[str, object]) -> None:
    with pytest.raises(UnknownPolicy):
        allowed(Call("dynamodb:GetItem", TABLE), unknown)
