"""The permissions are enough and no more: every call of every function against that function's own role.

The stack is created by CloudFormation on moto, every route and branch that calls AWS in a way of its own is driven
through it, and what IAM would be asked is compared with the role that SAM wrote.
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
    "AWSLambdaBasicExecutionRole": "Lambda itself writes the function's log with it (logs:*, any log group)",
    "AWSLambdaDynamoDBExecutionRole": "Lambda itself reads the streams with it; SAM attaches it to a function with a "
    "DynamoDB event, and it names no stream",
    "AWSLambdaSQSQueueExecutionRole": "Lambda itself reads the queue with it; SAM attaches it to a function with an "
    "SQS event, and it names no queue",
}
"""Policies of AWS's that SAM attaches: what uses them is Lambda, not our code, and never in this process."""

WILDCARDS: Final = {
    ("MailerFunction", "ses:SendEmail", "identity/*"): "the identity may be the address, its domain or a domain above, "
    "and in the sandbox SES asks for the recipients', too: the address From is bound by a condition instead",
    ("MailerFunction", "ses:SendEmail", "configuration-set/*"): "an identity may have a configuration set of its own "
    "that the template does not know; bound by the same condition",
}
"""Reasons for every grant with a wildcard: function, action, end of the resource."""


@dataclass(frozen=True, slots=True)
class Driven:
    """A stack after call_everything was called, and what the roles of its functions say."""

    stack: Stack
    calls: Mapping[str, list[Call]]
    grants: Mapping[str, list[Grant]]
    attached: Mapping[str, set[str]]
    """The names of policies that others wrote."""

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
        """Return what functions may do, on whatever, as `function: action`."""
        return [f"{function}: {grant.action}" for function, allowed in self.grants.items() for grant in allowed]

    def refused(self) -> set[str]:
        """Return what functions do and may not, as `function: action on resource`."""
        return {
            f"{function}: {call.action} on {call.resource}"
            for function, calls in self.calls.items()
            for call in calls
            if not any(grant.allows(call) for grant in self.grants[function])
        }

    def unused(self) -> set[str]:
        """Return what functions may do and do not, as `function: action on resource`."""
        return {
            f"{function}: {grant}"
            for function, allowed in self.grants.items()
            for grant in allowed
            if not any(map(grant.allows, self.calls[function]))
        }


@pytest.fixture(scope="module")
def driven() -> Iterator[Driven]:
    issuer = StandInIssuer(LOCAL_CLIENT_ID)
    with (
        serve_json(issuer.key_set()) as certs_url,
        created_stack(GoogleCertsUrl=certs_url, **PARAMETERS) as stack,
    ):
        functions = RecordedFunctions(stack)
        call_everything(World(stack, StackApi(stack, functions), issuer, functions))
        yield Driven.read(stack, functions)


@pytest.fixture(scope="module")
def strict() -> Iterator[Driven]:
    """A stack with settings that are off otherwise; only what is different there was called."""
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
        yield Driven.read(stack, functions)


def test_a_function_may_do_all_that_it_does(driven: Driven) -> None:
    assert driven.refused() == set()


def test_a_function_does_all_that_it_may_do(driven: Driven) -> None:
    assert driven.unused() == set()


def test_a_function_may_do_all_that_a_setting_has_it_do(strict: Driven) -> None:
    assert strict.refused() == set()


def test_a_function_does_all_that_a_setting_allows_it(driven: Driven, strict: Driven) -> None:
    added = Counter(strict.granted()) - Counter(driven.granted())

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


def test_every_wildcard_has_its_reason(driven: Driven) -> None:
    wild = {
        (function, grant.action, grant.resource.rpartition(":")[2])
        for function, allowed in driven.grants.items()
        for grant in allowed
        if "*" in f"{grant.action}{grant.resource}"
    }

    assert wild == WILDCARDS.keys()


@pytest.mark.covers("172")
def test_the_mailer_sends_from_the_stacks_own_address_alone(driven: Driven) -> None:
    """Its identities being wildcards, a condition is all that keeps it from the account's others."""
    mailer = driven.stack.function("MailerFunction")
    sender = mailer["Environment"]["Variables"]["MAIL_SENDER"]

    sending = [grant for grant in driven.grants["MailerFunction"] if grant.action == "ses:SendEmail"]

    assert len(sending) == 2
    assert [grant.condition for grant in sending] == [{"ses:FromAddress": (sender,)}] * 2


def test_a_role_has_no_policy_attached_but_those_that_lambda_itself_uses(driven: Driven) -> None:
    assert set().union(*driven.attached.values()) == MANAGED.keys()
    assert [name for name, policies in driven.attached.items() if "AWSLambdaSQSQueueExecutionRole" in policies] == [
        "MailerFunction"
    ]


def test_no_two_functions_share_a_role(driven: Driven) -> None:
    roles = [driven.stack.function(function)["Role"] for function in driven.grants]

    assert len(set(roles)) == len(roles)
