"""The job to mail: what an endpoint queues in place of sending, and the language it is to be written in.

An endpoint never sends mail and never looks an account up in order to mail it: it queues the same job for known and
unknown addresses and answers, so that neither the answer nor its time tells who has an account, and a mail service
that is down delays mail and loses none. The mailer function takes the job from there (`gerbang.mail.messages`).
Templates are not read here: endpoints import this module and stay light.
"""

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NewType, Protocol

from gerbang.core.emails import LONGEST_ADDRESS
from gerbang.core.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Locale = NewType("Locale", str)
"""A language there are templates for: the name of a folder in `templates`, an RFC 5646 tag such as `en`."""

TEMPLATES: Final = Path(__file__).with_name("templates")
"""The folder of the mail templates: one folder a language, `layout.html` beside them."""

_TAG: Final = r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*"  # language-range of RFC 4647, section 2.1, but for "*"

LOCALES: Final = frozenset(
    Locale(entry.name) for entry in TEMPLATES.iterdir() if entry.is_dir() and re.fullmatch(_TAG, entry.name)
)
"""The languages mails can be written in. Adding one is adding its folder (docs/mail.md)."""

_LAST_RESORT: Final = Locale("en")
_LOCALE_OF_TAG: Final = {locale.lower(): locale for locale in LOCALES}
_RENAMED_TAGS: Final = {"in": "id"}  # Indonesian until 1989 (RFC 5646, section 2.2.1); Java before 17 still says so

_TAG_CHARACTERS: Final = 35  # what RFC 5646, section 4.4.1, expects of a tag at most
_ACCEPT_LANGUAGE_CHARACTERS: Final = 1024  # browsers send under 200; what comes after is not looked at
_RANGE: Final = re.compile(rf"({_TAG}|\*)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{{0,3}})?|1(?:\.0{{0,3}})?))?")


def choose_locale(accept_language: str | None, account_locale: str | None, default: str) -> Locale:
    """Return the language to write in: the request's, else the account's, else the deployment's, else English.

    *accept_language* is the request's header, or what `requested_locale` made of it when the request came in: a
    single tag is a header too. *account_locale* and *default* are language tags. Languages we have no templates for
    are passed over at each step, and `en-GB` is served `en` (lookup, RFC 4647, section 3.4).
    """
    return (
        requested_locale(accept_language) or _find_locale(account_locale or "") or _find_locale(default) or _LAST_RESORT
    )


def requested_locale(accept_language: str | None) -> Locale | None:
    """Return the best language of ours that an Accept-Language header asks for, None if it asks for none of them.

    Weights order the ranges, equal weights keep the header's order, weight 0 is a refusal (RFC 9110, section 12.5.4);
    `*` expresses no preference. Whatever is malformed, and whatever follows the first 1,024 characters, is ignored.
    """
    header = accept_language or ""
    if len(header) > _ACCEPT_LANGUAGE_CHARACTERS:
        header = header[:_ACCEPT_LANGUAGE_CHARACTERS].rpartition(",")[0]
    ranges = [found for item in header.split(",") if (found := _RANGE.fullmatch(item.strip(" \t")))]
    weighted = [(float(found[2] or 1), found[1]) for found in ranges]
    for weight, tag in sorted(weighted, key=lambda pair: pair[0], reverse=True):
        locale = _find_locale(tag)
        if weight > 0 and locale is not None:
            return locale
    return None


def _find_locale(tag: str) -> Locale | None:
    """Return the language of ours that *tag* names, its subtags cut from the right until one fits."""
    language, hyphen, rest = tag[:_TAG_CHARACTERS].lower().partition("-")
    tag = _RENAMED_TAGS.get(language, language) + hyphen + rest
    while tag:
        if tag in _LOCALE_OF_TAG:
            return _LOCALE_OF_TAG[tag]
        tag = tag.rpartition("-")[0]
    return None


class MailKind(StrEnum):
    """What a mail is for. Each has a method of `gerbang.mail.messages.Mails` and templates in every language."""

    SIGN_IN_CODE = "sign_in_code"
    VERIFICATION_CODE = "verification_code"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a mail, not a password
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - likewise


class InvalidMailJob(Exception):
    """A queued text is not a job this version reads: leave it in the queue, for the dead-letter queue and its alarm.

    Says what is wrong and never what was there: the text carries an address.
    """


_JOB_VERSION: Final = 1
_JOB_ID_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class MailJob:
    """A mail somebody may be owed. It holds no code and no token: the mailer makes them, if there is an account."""

    job_id: str
    """Unique to the request that asked; the mailer tells a message delivered twice by it. 1 to 128 characters."""
    kind: MailKind
    email: str = field(repr=False)
    """The normalised address asked for. The mail goes to the one stored with the account (OWASP, Forgot Password)."""
    locale: Locale | None
    """The language that the request asked for, None if it asked for none we have."""

    def to_json(self) -> str:
        """Return the job as the JSON text that `from_json` reads."""
        return json.dumps(
            {
                "version": _JOB_VERSION,
                "job_id": self.job_id,
                "kind": self.kind,
                "email": self.email,
                "locale": self.locale,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "MailJob":
        """Return the job that `to_json` wrote.

        A language whose templates have been removed meanwhile reads as None, so that the mail is still written.

        Raises:
            InvalidMailJob: the text is not JSON, of another version, or has a field missing, unknown or wrong.
        """
        try:
            fields = json.loads(text, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError):
            raise InvalidMailJob("not JSON") from None
        match fields:
            case {"version": int(version)} if version != _JOB_VERSION:
                raise InvalidMailJob(f"version {version}")
            case {
                "version": int(),
                "job_id": str(job_id),
                "kind": str(kind),
                "email": str(email),
                "locale": str() | None as locale,
                **unknown,
            } if not unknown:
                pass
            case _:
                raise InvalidMailJob("fields missing, unknown or of the wrong type")
        if not 1 <= len(job_id) <= _JOB_ID_CHARACTERS or not 1 <= len(email) <= LONGEST_ADDRESS:
            raise InvalidMailJob("job_id or email empty or too long")
        if kind not in MailKind:
            raise InvalidMailJob("unknown kind")
        return cls(job_id=job_id, kind=MailKind(kind), email=email, locale=_find_locale(locale or ""))


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the pairs as a dict; raise ValueError if a key comes twice (ASVS 1.5.3)."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("duplicate key")
    return fields


class MailQueue(Protocol):
    """Takes jobs and answers when they are safe."""

    def enqueue(self, job: MailJob) -> None:
        """Return when the job is queued for good.

        Raises:
            DependencyUnavailable: it may not be; the caller may try again, at the price of a second mail.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsMailQueue:
    """A `MailQueue` on a standard SQS queue: delivered at least once, in no promised order."""

    client: "SQSClient"
    queue_url: str

    def enqueue(self, job: MailJob) -> None:
        """Send the job to the queue: one SendMessage, its time-outs and retries those of the client.

        Raises:
            DependencyUnavailable: SQS refused, throttled or did not answer.
        """
        # Here, so that importing this module costs no botocore; whoever holds a client has loaded it.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            self.client.send_message(QueueUrl=self.queue_url, MessageBody=job.to_json())
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unnamed")
            raise DependencyUnavailable(f"SQS SendMessage: {code}") from None
        except BotoCoreError as error:  # its text can hold the request, and so the address
            raise DependencyUnavailable(f"SQS SendMessage: {type(error).__name__}") from None
