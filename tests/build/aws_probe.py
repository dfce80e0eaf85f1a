"""Prints how the botocore on a given path calls AWS. test_botocore.py compares the complete and the trimmed botocore.

The output is JSON: endpoints in several partitions, all operations, and, for the calls that the functions make, the
requests, the parsed answers and errors, and the number of tries.
"""

import io
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

sys.path[:0] = sys.argv[1:]

import botocore.session  # noqa: E402 - imported from the given path
from botocore.awsrequest import AWSPreparedRequest, AWSResponse  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

SERVICES = ("dynamodb", "events", "lambda", "secretsmanager", "sesv2", "sqs")
REGIONS = ("eu-west-1", "us-east-1", "ap-southeast-3", "cn-north-1", "us-gov-west-1")

KEY = {"pk": {"S": "USER#1"}}
PUT = {"TableName": "Users", "Item": KEY, "ConditionExpression": "attribute_not_exists(pk)"}
VALUES = {":one": {"N": "1"}}
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/mail"
MAIL = {"Simple": {"Subject": {"Data": "Code"}, "Body": {"Text": {"Data": "123456"}}}}

CALLS: dict[str, dict[str, dict[str, Any]]] = {
    "dynamodb": {
        "get_item": {"TableName": "Users", "Key": KEY, "ConsistentRead": True},
        "batch_get_item": {"RequestItems": {"Users": {"Keys": [KEY], "ConsistentRead": True}}},
        "put_item": PUT,
        "update_item": {"TableName": "Users", "Key": KEY, "UpdateExpression": "SET n = :one"}
        | {"ExpressionAttributeValues": VALUES, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"},
        "delete_item": {"TableName": "Users", "Key": KEY, "ReturnValues": "ALL_OLD"},
        "query": {"TableName": "Users", "KeyConditionExpression": "pk = :one", "ExpressionAttributeValues": VALUES},
        "transact_write_items": {
            "ClientRequestToken": "1",
            "TransactItems": [{"Put": {"TableName": "U", "Item": KEY}}],
        },
    },
    "secretsmanager": {
        "get_secret_value": {"SecretId": "master", "VersionStage": "AWSPREVIOUS"},
        "describe_secret": {"SecretId": "master"},
        "put_secret_value": {"SecretId": "master", "SecretString": "x", "ClientRequestToken": "1" * 32},
        "update_secret_version_stage": {"SecretId": "master", "VersionStage": "AWSCURRENT"},
        "get_random_password": {"PasswordLength": 64},
    },
    "events": {"put_events": {"Entries": [{"Source": "gerbang", "DetailType": "account.created", "Detail": "{}"}]}},
    "lambda": {"invoke": {"FunctionName": "claims", "Payload": b"{}"}},
    "sesv2": {"send_email": {"FromEmailAddress": "a@example.com", "Content": MAIL}},
    "sqs": {"send_message": {"QueueUrl": QUEUE, "MessageBody": "{}"}},
}

PROBLEM = {
    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    "message": "The conditional request failed",
    "Item": KEY,
    "CancellationReasons": [{"Code": "ConditionalCheckFailed", "Item": KEY}],
}
THROTTLED = {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "Slow down"}


class _Body(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()


def client(service: str, region: str) -> Any:
    """Return a client configured like the functions' clients."""
    return botocore.session.Session().create_client(
        service,
        region_name=region,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
    )


def call(service: str, operation: str, arguments: dict[str, Any], answers: list[tuple[int, Any]]) -> dict[str, Any]:
    """Make a call that gets *answers* (status and body) one after the other. Return its requests and its result."""
    sent: list[Any] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        status, body = answers[min(len(sent), len(answers) - 1)]
        names = ("Content-Type", "X-Amz-Target")
        headers = {name: str(request.headers[name]) for name in names if name in request.headers}
        sent.append([request.method, request.url, headers, str(request.body)])
        return AWSResponse(request.url, status, {"x-amzn-requestid": "1"}, _Body(json.dumps(body).encode()))  # type: ignore[arg-type]

    caller = client(service, "eu-west-1")
    caller.meta.events.register("before-send", answer)
    try:
        result: Any = getattr(caller, operation)(**arguments)
        if "Payload" in result:  # a stream
            result["Payload"] = result["Payload"].read().decode()
    except ClientError as error:
        result = [[kind.__name__ for kind in type(error).__mro__], error.response]
    return {"sent": sent, "result": result}


def main() -> None:
    """Print the JSON."""
    time.sleep = lambda _: None  # no pauses between tries
    everything: dict[str, Any] = {"endpoints": {}, "operations": {}, "calls": {}}
    for service in SERVICES:
        in_regions = {region: client(service, region).meta for region in REGIONS}
        everything["endpoints"][service] = {
            region: [meta.endpoint_url, meta.partition] for region, meta in in_regions.items()
        }
        everything["operations"][service] = in_regions["eu-west-1"].service_model.operation_names
        for operation, arguments in CALLS[service].items():
            everything["calls"][operation] = [
                call(service, operation, arguments, [(200, {})]),
                call(service, operation, arguments, [(400, PROBLEM)]),
                call(service, operation, arguments, [(400, THROTTLED), (500, {}), (200, {})]),
                call(service, operation, arguments, [(503, {})]),
            ]
    json.dump(everything, sys.stdout)


if __name__ == "__main__":
    main()
