"""Base classes of the errors that clients receive. Each module defines the errors that it raises."""

from datetime import timedelta
from typing import ClassVar, LiteralString

from gerbang.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request: a message for the client, which does not repeat what was sent."""

    field: str
    message: str


class AuthError(Exception):
    """The request was understood and cannot be granted.

    `code` is stable: API tables and logs go by it (`gerbang.apis`). The exception's text and its attributes are
    evidence for the log (ids, counts), never a secret, an address or a message for the client.
    """

    code: LiteralString
    field_errors: tuple[FieldError, ...] = ()
    """The fields that are wrong, for APIs that name them."""
    retry_after: timedelta | None = None
    """How long the client should wait before it tries again."""


class DependencyUnavailable(Exception):
    """A service we depend on (DynamoDB, Secrets Manager, SQS) did not answer, throttled or stayed in conflict.

    A write may or may not have been done, and the caller may try again. Clients get 503 with `Retry-After`, never
    4xx: they sign users out on a final error.
    """

    code: ClassVar[LiteralString] = "service_unavailable"
