"""Every function has exactly the permissions that it needs.

CloudFormation creates the stack on moto. The tests call every endpoint, and every branch that makes different calls to
AWS, and compare the calls of each function with the role that SAM wrote for it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

import pytest
from gerbang_local.google import LOCAL_CLIENT_ID, StandInIssuer

from tests.deploy.api import StackApi
from tests.deploy.clients import client
from tests.deploy.iam import Call, Grant, grants
from tests.deploy.recorded_functions import RecordedFunctions
from tests.deploy.scenarios.every_call import (
    PARAMETERS,
    call_everything,
    change_password_with_reauthentication,
    solve_captchas,
    upgrade_guest_without_code,
    verify_before_sign_in,
)
from tests.deploy.scenarios.world import World, serve_json
from tests.deploy.stacks import Stack, created_stack

MANAGED: Final = {
    "AWSLambdaBasicExecutionRole": "Lambda uses it to write the function's log (logs:*, any log group)",
    "AWSLambdaDynamoDBExecutionRole": "Lambda uses it to read streams; SAM attaches it to a function with a DynamoDB "
    "event, for any stream",
    "AWSLambdaSQSQueueExecutionRole": "Lambda uses it to read queues; SAM attaches it to a function with an SQS event, "
    "for any queue",
}
"""AWS's policies that SAM attaches, with the reason. Lambda uses them, not our code, so no test sees a call."""

WILDCARDS: Final = {
    ("MailerFunction", "ses:SendEmail", "identity/*"): "the identity may be the address or one of its domains, and in "
    "the sandbox SES also checks the recipients' identities; a condition restricts the sender's address instead",
    ("MailerFunction", "ses:SendEmail", "configuration-set/*"): "an identity may have its own configuration set, which "
    "the template does not know; the same condition applies",
}
"""Reasons for the grants with a wildcard, by function, action and end of the resource."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The calls that the functions of a stack made, and the permissions of their roles."""

    stack: Stack
    calls: Mapping[str, list[Call]]
    grants: Mapping[str, list[Grant]]
    attached: Mapping[str, set[str]]
    """The names of attached managed policies."""

    @classmethod
    def read(cls, stack: Stack, functions: RecordedFunctions) -> Self:
        """Read the roles from IAM."""
        iam = client("iam")
        own, attached = {}, {}
        for function in functions.calls:
            role = str(stack.function(function)["Role"]).rpartition("/")[2]
            names = iam.list_role_policies(RoleName=role)["PolicyNames"]
            documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
            own[function] = [grant for document in documents for grant in grants(document)]
            policies = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
            attached[function] = {policy["PolicyName"] for policy in policies}
        return cls(stack, functions.calls, own, attached)

    def granted(self) -> list[str]:
        """Return the granted actions as `function: action`."""
        return [f"{function}: {grant.action}" for function, allowed in self.grants.items() for grant in allowed]

    def denied(self) -> set[str]:
        """Return the calls that the roles do not allow, as `function: action on resource`."""
        return {
            f"{function}: {call.action} on {call.resource}"
            for function, calls in self.calls.items()
            for call in calls
            if not any(grant.allows(call) for grant in self.grants[function])
        }

    def unused(self) -> set[str]:
        """Return the grants that no call used, as `function: action on resource`."""
        return {
            f"{function}: {grant}"
            for function, allowed in self.grants.items()
            for grant in allowed
            if not any(map(grant.allows, self.calls[function]))
        }


@pytest.fixture(scope="module")
def usage() -> Iterator[Usage]:
    issuer = StandInIssuer(LOCAL_CLIENT_ID)
    with (
        serve_json(issuer.key_set()) as certs_url,
        created_stack(GoogleCertsUrl=certs_url, **PARAMETERS) as stack,
    ):
        functions = RecordedFunctions(stack)
        call_everything(World(stack, StackApi(stack, functions), issuer, functions))
        yield Usage.read(stack, functions)


@pytest.fixture(scope="module")
def strict() -> Iterator[Usage]:
    """A stack with settings that are off by default. Only the code that depends on them is called."""
    settings = {
        "RequireVerifiedEmail": "true",
        "Autoconfirm": "true",
        "PasswordHashCost": "10",
        "SecurePasswordChange": "true",
        "RequireCurrentPassword": "true",
        "CaptchaProvider": "turnstile",
        "LimitMailMinute": "1000/60",
    }
    with (
        serve_json({"success": True}) as verify_url,
        created_stack("gerbang-strict", CaptchaVerifyUrl=verify_url, **settings) as stack,
    ):
        functions = RecordedFunctions(stack)
        world = World(stack, StackApi(stack, functions), StandInIssuer(LOCAL_CLIENT_ID), functions)
        verify_before_sign_in(world)
        upgrade_guest_without_code(world)
        change_password_with_reauthentication(world)
        solve_captchas(world)
        yield Usage.read(stack, functions)


def test_functions_have_all_permissions_that_they_need(usage: Usage) -> None:
    assert usage.denied() == set()


def test_functions_use_all_permissions_that_they_have(usage: Usage) -> None:
    assert usage.unused() == set()


def test_functions_have_all_permissions_that_optional_settings_need(strict: Usage) -> None:
    assert strict.denied() == set()


def test_functions_use_all_permissions_that_optional_settings_add(usage: Usage, strict: Usage) -> None:
    added = Counter(strict.granted()) - Counter(usage.granted())

    assert sorted(added.elements()) == [
        "ApiRegisterFunction: dynamodb:DeleteItem",
        "ApiRegisterFunction: sqs:SendMessage",
        "SupabaseOtpFunction: secretsmanager:GetSecretValue",
        "SupabaseRecoverFunction: secretsmanager:GetSecretValue",
        "SupabaseResendFunction: secretsmanager:GetSecretValue",
        "SupabaseSignUpFunction: secretsmanager:GetSecretValue",
        "SupabaseTokenFunction: secretsmanager:GetSecretValue",
        "SupabaseUserFunction: dynamodb:DeleteItem",
        "SupabaseUserFunction: dynamodb:GetItem",
        "SupabaseUserFunction: dynamodb:PutItem",
        "SupabaseUserFunction: dynamodb:PutItem",
        "SupabaseUserFunction: dynamodb:UpdateItem",
    ]
    assert [line for line in strict.unused() if line.partition(" on ")[0] in added] == []


def test_every_wildcard_has_a_reason(usage: Usage) -> None:
    wild = {
        (function, grant.action, grant.resource.rpartition(":")[2])
        for function, allowed in usage.grants.items()
        for grant in allowed
        if "*" in f"{grant.action}{grant.resource}"
    }

    assert wild == WILDCARDS.keys()


@pytest.mark.covers("172")
def test_the_mailer_may_send_only_from_the_stacks_address(usage: Usage) -> None:
    """The resources are wildcards, so only the condition excludes the account's other identities."""
    mailer = usage.stack.function("MailerFunction")
    sender = mailer["Environment"]["Variables"]["MAIL_SENDER"]

    sending = [grant for grant in usage.grants["MailerFunction"] if grant.action == "ses:SendEmail"]

    assert len(sending) == 2
    assert [grant.condition for grant in sending] == [{"ses:FromAddress": (sender,)}] * 2


def test_the_only_managed_policies_are_those_that_lambda_itself_uses(usage: Usage) -> None:
    assert set().union(*usage.attached.values()) == MANAGED.keys()
    assert [name for name, policies in usage.attached.items() if "AWSLambdaSQSQueueExecutionRole" in policies] == [
        "MailerFunction"
    ]


def test_no_two_functions_share_a_role(usage: Usage) -> None:
    roles = [usage.stack.function(function)["Role"] for function in usage.grants]

    assert len(set(roles)) == len(roles)
