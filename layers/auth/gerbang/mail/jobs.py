"""Mail jobs: what an endpoint queues instead of sending mail.

An endpoint never sends mail, and never looks an account up in order to mail it. It queues the same job for known and
unknown addresses, and answers. So neither the answer nor its time shows who has an account, and while the mail service
is down, mail is delayed but not lost. The mailer function handles the job (`gerbang.mail.mailer`).
"""

import json
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from gerbang.core.dataclass import dataclass
from gerbang.core.emails import LONGEST_ADDRESS

REGISTERED: Final = "user_id"
"""In the payload of a registration's mail: the id of the account that the registration writes."""

SLOT: Final = "slot"
"""In the payload of a sign-in code: the slot to use if the address is verified. If it is not, the mail and the slot are
those of a code that verifies the address."""

NEW_USER_METADATA: Final = "new_user_metadata"
"""In the payload of a sign-in code that may make an account: the account's `user_metadata`, as JSON."""

NEW_USER_NAME: Final = "new_user_name"
"""In the same payload: the account's name."""

GUEST: Final = "guest_id"
"""In the payload of the mail of a guest's change of address: the guest's id. `email` is the new address then."""

NEW_EMAIL: Final = "new_email"
"""In the payload: the new address that the account has once the change that the mail is about is written."""

EPOCH: Final = "epoch"
"""In the payload: the epoch that the account has reached once that change is written."""

PROVIDER: Final = "provider"
"""In the payload of a notice about an identity: its provider; `email` is the password."""

SUBJECT: Final = "subject"
"""In the same payload: the digest of the identity's subject."""

DEVICE: Final = "device"
"""In the payload of a notice about a new device: its digest, which the account has once the sign-in is written."""

USER_AGENT: Final = "user_agent"
CLIENT_ADDRESS: Final = "client_address"
"""In the same payload: the device's User-Agent and network address."""

ORGANIZATION: Final = "organization_id"
INVITATION: Final = "invitation_id"
"""In the payload of an invitation to an organization: the invitation, which is read when it is mailed."""

_NO_PAYLOAD: Final[Mapping[str, str]] = MappingProxyType({})


class MailKind(StrEnum):
    """What a mail is for. Each has a method of `gerbang.mail.composing.Mails` and templates in every language."""

    SIGN_IN_CODE = "sign_in_code"
    VERIFICATION_CODE = "verification_code"
    RECOVERY_CODE = "recovery_code"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a mail, not a password
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - likewise
    PASSWORD_REMOVED = "password_removed"  # noqa: S105 - likewise
    ACCOUNT_EXISTS = "account_exists"
    EMAIL_CHANGE_CURRENT = "email_change_current"
    EMAIL_CHANGE_NEW = "email_change_new"
    INVITE = "invite"
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    REAUTHENTICATION_CODE = "reauthentication_code"
    NEW_DEVICE = "new_device"
    ORGANIZATION_INVITATION = "organization_invitation"


class InvalidMailJob(Exception):
    """A queued text is not a job that this version reads. It stays in the queue, then goes to the dead-letter queue.

    The exception's message does not repeat the text, which contains an address.
    """


_VERSION: Final = 1
"""To be raised if a reader of the previous version could do harm with a job, but not for a new kind or field."""
_JOB_ID_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class MailJob:
    """A request to mail an address. It holds no code and no token: the mailer makes them, if there is an account."""

    job_id: str
    """Unique to the request. By it, the mailer recognizes a message that is delivered twice. 1 to 128 characters."""
    kind: MailKind
    email: str = field(repr=False)
    """The normalised address. The mail goes to the one stored with the account (OWASP, Forgot Password)."""
    locale: str | None
    """The language that the request asked for, None if there are no templates for it."""
    payload: Mapping[str, str] = field(default=_NO_PAYLOAD, repr=False)
    """What this kind of mail needs beyond that. The kind's readers ignore names that they do not know."""

    def to_json(self) -> str:
        """Return the job as the JSON text that `from_json` reads."""
        return json.dumps(
            {
                "version": _VERSION,
                "job_id": self.job_id,
                "kind": self.kind,
                "email": self.email,
                "locale": self.locale,
                "payload": dict(self.payload),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "MailJob":
        """Return the job that `to_json` wrote, in this version of the package or another; unknown fields are ignored.

        Raises:
            InvalidMailJob: the text is not JSON, of another version, or has a field missing or wrong.
        """
        try:
            fields = json.loads(text, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError):
            raise InvalidMailJob("not JSON") from None
        match fields:
            case {"version": int(version)} if version != _VERSION:
                raise InvalidMailJob(f"version {version}")
            case {
                "version": int(),
                "job_id": str(job_id),
                "kind": str(kind),
                "email": str(email),
                "locale": str() | None as locale,
            }:
                payload = fields.get("payload", {})
            case _:
                raise InvalidMailJob("fields missing or of the wrong type")
        if not 1 <= len(job_id) <= _JOB_ID_CHARACTERS or not 1 <= len(email) <= LONGEST_ADDRESS:
            raise InvalidMailJob("job_id or email empty or too long")
        if kind not in MailKind:
            raise InvalidMailJob("unknown kind")
        if not _is_text_by_name(payload):
            raise InvalidMailJob("payload is not an object of texts")
        return cls(job_id=job_id, kind=MailKind(kind), email=email, locale=locale, payload=payload)


def _is_text_by_name(payload: Any) -> bool:
    return isinstance(payload, dict) and all(isinstance(value, str) for value in payload.values())


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the pairs as a dict; raise ValueError if a key comes twice (ASVS 1.5.3)."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("duplicate key")
    return fields
