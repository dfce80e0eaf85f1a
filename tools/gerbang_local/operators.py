"""What clients and operators' tools need of a stack on this machine: API keys, names of tables, access to them."""

from dataclasses import dataclass
from typing import Any, Final

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.models import botocore_stubber

from gerbang_local.intrinsics import Resolver
from gerbang_local.stack import REGION, STACK_NAME

STACK_PATH: Final = "/_local/stack.json"
DYNAMODB_PATH: Final = "/_local/dynamodb"

SECRET_KEY_RESOURCE: Final = "SecretApiKey"  # noqa: S105 - a logical id
_PUBLISHABLE_KEY: Final = "PublishableKey"  # an output, or else a parameter
_TABLE: Final = "Table"
_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_URL: Final = f"https://dynamodb.{REGION}.amazonaws.com/"
_AUTHORIZATION: Final = f"AWS4-HMAC-SHA256 Credential=local/20000101/{REGION}/dynamodb/aws4_request"
"""moto reads the region in it, and checks no signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAccess:
    """The description of the stack for operators' tools, and access to its tables in memory."""

    outputs: dict[str, str]
    """The stack's outputs that name tables."""
    dynamodb_endpoint: str | None
    """The DynamoDB Local with the tables, None if they are in memory."""

    def describe(self, here: str) -> dict[str, Any]:
        """Return the stack, as it is reached at the URL *here*."""
        return {
            "name": STACK_NAME,
            "region": REGION,
            "outputs": self.outputs,
            "dynamodb_endpoint": self.dynamodb_endpoint or f"{here}{DYNAMODB_PATH}",
        }

    def call(self, target: str, body: bytes) -> tuple[int, str, bytes]:
        """Return status, media type and body of moto's answer to a DynamoDB request."""
        headers = HTTPHeaders()
        sent = {"X-Amz-Target": target, "Content-Type": _CONTENT_TYPE, "Authorization": _AUTHORIZATION}
        for name, value in sent.items():
            headers[name] = value
        answer = botocore_stubber.process_request(AWSPreparedRequest("POST", _URL, headers, body, stream_output=False))
        if answer is None:
            raise RuntimeError("moto does not answer for DynamoDB")
        status, _, content = answer
        return int(status), _CONTENT_TYPE, content.encode() if isinstance(content, str) else content


def outputs_of(resolver: Resolver) -> dict[str, str]:
    """Return the outputs of a template that name its tables."""
    values = {
        name: resolver.resolve(output["Value"])
        for name, output in resolver.template.outputs.items()
        if name.endswith(_TABLE)
    }
    return {name: value for name, value in values.items() if isinstance(value, str)}


def publishable_key(resolver: Resolver) -> str | None:
    """Return the publishable key: the output, which may generate one, or else the parameter."""
    output = resolver.template.outputs.get(_PUBLISHABLE_KEY)
    value = resolver.parameters.get(_PUBLISHABLE_KEY) if output is None else resolver.resolve(output["Value"])
    return value if isinstance(value, str) else None
