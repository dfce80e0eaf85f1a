"""Invoking another Lambda function, and waiting for its answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from gerbang.core.dataclass import dataclass

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

LARGEST_ANSWER_BYTES: Final = 16 * 1024
"""The largest answer that is accepted."""


class FunctionFailed(Exception):
    """The function could not be invoked, failed, did not answer in time, or answered too much; the message says why.

    It may have run, once or twice.
    """


@dataclass(frozen=True, slots=True)
class RemoteFunction:
    """Invokes one function. The client is created at the first call; it bounds the time (`gerbang.storage.clients`)."""

    client: Callable[[], "LambdaClient"]
    arn: str

    def invoke(self, event: bytes) -> bytes:
        """Return what the function answers to an event, both JSON.

        Raises:
            FunctionFailed: there is no answer.
        """
        try:
            response = self.client().invoke(FunctionName=self.arn, Payload=event)
            with response["Payload"] as payload:
                answer = payload.read(LARGEST_ANSWER_BYTES + 1)
        except ClientError as error:
            raise FunctionFailed(error.response.get("Error", {}).get("Code", "unknown error")) from error
        except BotoCoreError as error:
            raise FunctionFailed(type(error).__name__) from error
        if kind := response.get("FunctionError"):
            raise FunctionFailed(f"the function raised an error ({kind})")
        if len(answer) > LARGEST_ANSWER_BYTES:
            raise FunctionFailed(f"answered more than {LARGEST_ANSWER_BYTES} bytes")
        return answer
