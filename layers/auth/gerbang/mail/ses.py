"""Sends mails through SES v2."""

from typing import TYPE_CHECKING, Final, Protocol

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.message import MailRejected, Message
from gerbang.mail.settings import MailSettings

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef


class Outbox(Protocol):
    """Sends messages."""

    def send(self, message: Message) -> None:
        """Send a message. When this returns, it is accepted, but not yet delivered.

        Raises:
            MailRejected: it will never be accepted; drop it.
            DependencyUnavailable: it was not, or the answer was lost; send the same message, with the same code, again.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SesOutbox:
    """An `Outbox` on SES v2. It does not log."""

    client: "SESV2Client"
    settings: MailSettings

    def send(self, message: Message) -> None:
        """Hand the message to SES: one SendEmail, its time-outs and retries those of the client.

        SES has no idempotency token: after a lost answer the same mail may arrive twice.

        Raises:
            MailRejected: SES rejects the message or its address (MessageRejected, BadRequestException).
            DependencyUnavailable: every other error, such as sending paused, an account suspended, or an unknown sender
                or configuration set: an operator can correct those, and the mail then still goes out.
        """
        # Imported here, so that composing mails does not import botocore. A caller with a client has it already.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            self.client.send_email(**self._request(message))
        except ClientError as error:  # its text can repeat addresses: only the code is kept
            code = error.response.get("Error", {}).get("Code", "unnamed")
            if code in _FINAL_ERROR_CODES:
                raise MailRejected(code) from None
            raise DependencyUnavailable(f"SES SendEmail: {code}") from None
        except BotoCoreError as error:
            raise DependencyUnavailable(f"SES SendEmail: {type(error).__name__}") from None

    def _request(self, message: Message) -> "SendEmailRequestTypeDef":
        """Return the parameters of SendEmail."""
        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": self.settings.sender,
            "Destination": {"ToAddresses": [message.to]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": message.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": message.text, "Charset": "UTF-8"},
                        "Html": {"Data": message.html, "Charset": "UTF-8"},
                    },
                    # Keeps holiday responders from answering (RFC 3834, section 5).
                    "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
                }
            },
            "EmailTags": [{"Name": "kind", "Value": message.kind}],
        }
        if self.settings.reply_to is not None:
            request["ReplyToAddresses"] = [self.settings.reply_to]
        if self.settings.configuration_set is not None:
            request["ConfigurationSetName"] = self.settings.configuration_set
        return request


_FINAL_ERROR_CODES: Final = frozenset({"MessageRejected", "BadRequestException"})
