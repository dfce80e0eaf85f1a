"""Calls the API of a created stack in this process: finds the function of a route, and passes mails to the mailer."""

import itertools
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from gerbang_local.events import Api, Request, authorizer_event, function_event, response_of
from gerbang_local.routes import DEFAULT, Match, Route, Router
from gerbang_local.stack import ACCOUNT_ID, REGION

from tests.deploy.clients import client
from tests.deploy.stacks import Stack

HOME: Final = "192.0.2.1"
_API: Final = Api(account_id=ACCOUNT_ID, region=REGION)


class Functions(Protocol):
    """The functions of a stack, by their logical ids."""

    def invoke(self, name: str, event: Mapping[str, Any], /) -> Any:
        """Return the result of a function.

        Raises:
            Exception: the function failed. Only the text matters here, as in API Gateway.
        """


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    location: str = ""
    """The target of a redirect."""

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


class StackApi:
    """Invokes the functions of a stack as API Gateway, SQS and the authorizer's callers do."""

    def __init__(self, stack: Stack, functions: Functions) -> None:
        """Read the routes from API Gateway."""
        self._stack: Final = stack
        self._functions: Final = functions
        self._router: Final = Router([_route(key, route) for key, route in stack.routes().items()])
        self._numbers: Final = itertools.count(1)

    def new_email(self) -> str:
        """Return an e-mail address that no account has."""
        return f"person-{next(self._numbers)}@example.com"

    def post(self, path: str, body: Mapping[str, Any], *, address: str = HOME, **headers: str) -> Response:
        """Return the response to a POST from a client address. Header names have `_` instead of `-`."""
        return self._call("POST", path, json.dumps(body).encode(), address, headers)

    def put(self, path: str, body: Mapping[str, Any], *, address: str = HOME, **headers: str) -> Response:
        """Return the response to a PUT. See `post`."""
        return self._call("PUT", path, json.dumps(body).encode(), address, headers)

    def patch(self, path: str, body: Mapping[str, Any], *, address: str = HOME, **headers: str) -> Response:
        """Return the response to a PATCH. See `post`."""
        return self._call("PATCH", path, json.dumps(body).encode(), address, headers)

    def get(self, path: str, *, address: str = HOME, **headers: str) -> Response:
        """Return the response to a GET. See `post`."""
        return self._call("GET", path, b"", address, headers)

    def delete(self, path: str, *, address: str = HOME, **headers: str) -> Response:
        """Return the response to a DELETE. See `post`."""
        return self._call("DELETE", path, b"", address, headers)

    def read_mail(self, email: str, pattern: str) -> str:
        """Deliver mails, and return the first match of *pattern* in the newest mail to an address."""
        self.deliver_mails()
        [*_, newest] = [mail for mail in self._stack.mailbox.mails() if mail.to == email]
        found = re.search(pattern, newest.text)
        assert found is not None
        return found[1]

    def deliver_mails(self) -> None:
        """Invoke the mailer until its queue is empty."""
        sqs, url, arn = self._mail_queue()
        while self._is_delayed(sqs, url):  # a registration's mail is delayed for a second
            time.sleep(0.05)
        while messages := sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"]).get("Messages"):
            # Functions open a connection by sending an empty message. SQS rejects it; moto queues it.
            if records := [_record(message, arn) for message in messages if message.get("Body")]:
                answer = self._functions.invoke("MailerFunction", {"Records": records})
                assert answer == {"batchItemFailures": []}
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def deliver_invalid_job(self) -> None:
        """Invoke the mailer with an invalid message. It reports the message as failed."""
        self.deliver_mails()
        sqs, url, arn = self._mail_queue()
        sqs.send_message(QueueUrl=url, MessageBody="not a job")
        [message] = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
        answer = self._functions.invoke("MailerFunction", {"Records": [_record(message, arn)]})
        assert answer == {"batchItemFailures": [{"itemIdentifier": message["MessageId"]}]}
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _mail_queue(self) -> tuple[Any, str, str]:
        """Return a client of SQS, and the URL and the ARN of the queue of mails."""
        sqs, url = client("sqs"), self._stack.ids["MailQueue"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return sqs, url, arn

    @staticmethod
    def _is_delayed(sqs: Any, url: str) -> bool:
        name = "ApproximateNumberOfMessagesDelayed"
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return str(answer["Attributes"][name]) != "0"

    def _call(self, method: str, path: str, body: bytes, address: str, headers: Mapping[str, str]) -> Response:
        request = self._request(method, path, body, address, headers)
        match = self._router.match(method, request.raw_path)
        assert match is not None
        event = function_event(request, match, api=_API, authorizer=None)
        response = response_of(self._functions.invoke(match.route.function, event))
        location = dict(response.headers).get("location", "")
        return Response(response.status, json.loads(response.body) if response.body else {}, location)

    def _request(self, method: str, path: str, body: bytes, address: str, headers: Mapping[str, str]) -> Request:
        plain, _, query = path.partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Request(
            method=method,
            raw_path=plain,
            raw_query=query,
            protocol="HTTP/1.1",
            headers=tuple(({"content-type": "application/json", "user-agent": "test", "host": "api"} | named).items()),
            body=body,
            source_ip=address,
            port=443,
            at=datetime.now(UTC),
            id=f"request-{next(self._numbers)}",
        )

    def authorize(self, **headers: str) -> bool:
        """Invoke the authorizer as the API of another stack does. Say whether it allows the request."""
        path = "/another/api"
        request = self._request("GET", path, b"", HOME, headers)
        match = Match(
            route=Route(method="GET", path=path, function="AuthorizerFunction", authorizer=None), path_parameters={}
        )
        event = authorizer_event(request, match, api=_API, identity=list(headers.values()))
        try:
            result = self._functions.invoke("AuthorizerFunction", event)
        except Exception as error:
            if str(error) != "Unauthorized":  # API Gateway answers this text with 401
                raise
            return False
        return bool(result["isAuthorized"])


def _route(key: str, route: Mapping[str, Any]) -> Route:
    method, _, path = ("ANY", "", DEFAULT) if key == DEFAULT else key.partition(" ")
    return Route(method=method, path=path, function=route["function"], authorizer=None)


def _record(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    """Return the record of a message in a Lambda event: docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }
