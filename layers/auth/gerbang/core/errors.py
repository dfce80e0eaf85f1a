"""The root of every refusal. Each module defines the refusals it raises; `contracts/refusals.py` words them."""


class AuthError(Exception):
    """A request was understood and is refused.

    Subclasses carry evidence for the log (ids, counts, never a secret or an address) and no wording for clients:
    status and public words are looked up by type, along the MRO, in `gerbang.apis.refusals`.
    """


class DependencyUnavailable(Exception):
    """A service we stand on (DynamoDB, Secrets Manager, SQS) did not answer, throttled or stayed in conflict.

    Not a refusal: nothing was decided, nothing may be assumed written, and the caller may try again. It is
    answered 503 with `Retry-After`, never 4xx, because clients sign people out on a final error.
    """
