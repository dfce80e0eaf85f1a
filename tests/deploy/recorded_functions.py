"""Runs the functions of a created stack in this process, and records every call to AWS that each of them makes."""

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parseaddr
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch

import botocore.handlers
from gerbang_local.functions import LoadedFunction, load_functions
from gerbang_local.stack import ACCOUNT_ID, REGION, Function
from gerbang_local.stack import Stack as LocalStack

from tests.deploy.iam import Call
from tests.deploy.stacks import ROOT, Stack, written

_LAYERS: Final = (ROOT / "layers" / "auth",)


class RecordedFunctions:
    """Every function, each with its own copy of the package `gerbang`, like the separate processes on Lambda.

    So each reads the secrets and creates clients by itself. Not safe for several threads: a call is recorded for the
    function that was invoked last.
    """

    def __init__(self, stack: Stack) -> None:
        """Load the functions from their sources, with the environment that CloudFormation gave them."""
        self.calls: Final[dict[str, list[Call]]] = {name: [] for name in stack.logical_ids("AWS::Lambda::Function")}
        self._invoked: str | None = None
        self._packages: Final[dict[str, dict[str, ModuleType]]] = {name: {} for name in self.calls}
        self._functions: Final[dict[str, LoadedFunction]] = {}
        for name, resource in written("AWS::Serverless::Function").items():
            if name not in self.calls:
                continue
            described = replace(stack.described(name, ROOT / resource.properties["CodeUri"]), layers=_LAYERS)
            with self._invocation_of(name), _init_as_on_lambda():
                self._functions.update(load_functions(_stack_of(described)))

    def invoke(self, name: str, event: Mapping[str, Any]) -> Any:
        """Return the function's result."""
        with self._invocation_of(name):
            return self._functions[name].invoke(event)

    def described(self, name: str) -> Function:
        """Return the description of a function."""
        return self._functions[name].described

    @contextmanager
    def _invocation_of(self, name: str) -> Iterator[None]:
        handlers = [*botocore.handlers.BUILTIN_HANDLERS, ("before-parameter-build", self._record)]
        self._invoked = name
        try:
            with _own_package(self._packages[name]), patch.object(botocore.handlers, "BUILTIN_HANDLERS", handlers):
                yield
        finally:
            self._invoked = None

    def _record(self, *, params: Mapping[str, Any], model: Any, **_more: Any) -> None:
        """Record a call, before botocore validates its parameters."""
        if self._invoked is not None:
            self.calls[self._invoked] += calls_of(model.service_model.service_name, model.name, params)


def calls_of(  # noqa: C901 - a list of services
    service: str, operation: str, parameters: Mapping[str, Any]
) -> Iterator[Call]:
    """Yield the permissions that IAM checks for an operation.

    For transactions and batches, IAM checks their actions:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    match service, operation:
        case "dynamodb", "TransactWriteItems" | "TransactGetItems":
            for member in parameters["TransactItems"]:
                for kind, details in member.items():
                    action = {"ConditionCheck": "ConditionCheckItem"}.get(kind, f"{kind}Item")
                    yield Call(f"dynamodb:{action}", _table(details["TableName"]))
        case "dynamodb", "BatchGetItem" | "BatchWriteItem":
            for table in parameters["RequestItems"]:
                yield Call(f"dynamodb:{operation}", _table(table))
        case "dynamodb", _ if "TableName" in parameters:
            index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
            yield Call(f"dynamodb:{operation}", _table(parameters["TableName"]) + index)
        case "secretsmanager", _ if "SecretId" in parameters:
            yield Call(f"secretsmanager:{operation}", parameters["SecretId"])
        case "sqs", _ if "QueueUrl" in parameters:
            queue = parameters["QueueUrl"].rpartition("/")[2]
            yield Call(f"sqs:{operation}", f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}")
        case "lambda" | "events", _:
            yield from _to_others(operation, parameters)
        case "sesv2", "SendEmail":
            yield from _sending(parameters)
        case _:  # add the resource here when a function uses such a service
            yield Call(f"{service}:{operation}", "unknown")


def _to_others(operation: str, parameters: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the permissions for calls to the operator's own function or event bus."""
    if operation == "Invoke":
        yield Call("lambda:InvokeFunction", parameters["FunctionName"])
    for bus in {entry["EventBusName"] for entry in parameters.get("Entries", [])}:
        yield Call(f"events:{operation}", f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/{bus}")


def _sending(parameters: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the permissions that SES checks: on the identities of sender and recipients, and on the configuration set.

    Recipients have identities while the account is in the sandbox: https://github.com/aws/aws-sdk-js/issues/3641,
    https://github.com/cloudposse/terraform-aws-ses/issues/40. The configuration set is checked even if the identity
    names it and not the call: https://github.com/medplum/medplum/pull/10102.
    """
    sender = parseaddr(parameters["FromEmailAddress"])[1]
    context = {"ses:FromAddress": sender}
    for identity in (sender.rpartition("@")[2], sender, *parameters["Destination"]["ToAddresses"]):
        yield Call("ses:SendEmail", _ses("identity", identity), context)
    if "ConfigurationSetName" in parameters:
        yield Call("ses:SendEmail", _ses("configuration-set", parameters["ConfigurationSetName"]), context)


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{name}"


def _ses(kind: str, name: str) -> str:
    return f"arn:aws:ses:{REGION}:{ACCOUNT_ID}:{kind}/{name}"


def _stack_of(function: Function) -> LocalStack:
    return LocalStack(
        functions={function.logical_id: function}, routes=(), authorizers={}, cors=None, triggers=(), notices=()
    )


@contextmanager
def _init_as_on_lambda() -> Iterator[None]:
    """Make `gerbang.core.init` warm up with calls to AWS as on Lambda, and undo its changes to this process."""
    os.environ["AWS_LAMBDA_RUNTIME_API"] = "none"
    try:
        yield
    finally:
        del os.environ["AWS_LAMBDA_RUNTIME_API"]
        gc.unfreeze()
        gc.enable()


@contextmanager
def _own_package(modules: dict[str, ModuleType]) -> Iterator[None]:
    """Use *modules* as the package `gerbang` until the block ends. Modules that are imported meanwhile are added."""
    others = _remove_modules()
    sys.modules.update(modules)
    try:
        yield
    finally:
        modules.update(_remove_modules())
        sys.modules.update(others)


def _remove_modules() -> dict[str, ModuleType]:
    """Remove all modules of the package from `sys.modules`, and return them."""
    names = [name for name in sys.modules if name == "gerbang" or name.startswith("gerbang.")]
    return {name: sys.modules.pop(name) for name in names}
