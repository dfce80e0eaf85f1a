"""gerbang.mail.ses: the request to SES, and which of its errors are retried."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from botocore.session import Session
from botocore.stub import Stubber
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import MailKind
from gerbang.mail.languages import Locale
from gerbang.mail.message import MailRejected, Message
from gerbang.mail.ses import Outbox, SesOutbox
from gerbang.mail.settings import MailSettings
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

ANA = "ana@example.com"
BARE = MailSettings(product_name="Atourin", sender_address="no-reply@example.com")
MAIL = Message(
    kind=MailKind.SIGN_IN_CODE,
    locale=Locale("es"),
    to=ANA,
    subject="Tu código",
    text="Tu código: 048213",
    html="<p>Tu código: 048213</p>",
)


@pytest.fixture
def ses() -> Iterator["SESV2Client"]:
    with mock_aws():
        client = cast(
            "SESV2Client",
            Session().create_client(
                "sesv2", region_name="eu-south-1", aws_access_key_id="testing", aws_secret_access_key="testing"
            ),
        )
        client.create_email_identity(EmailIdentity="example.com")
        yield client


def test_ses_accepts_a_message(ses: "SESV2Client") -> None:
    outbox: Outbox = SesOutbox(client=ses, settings=BARE)
    outbox.send(MAIL)

    [sent] = ses_backends[DEFAULT_ACCOUNT_ID]["eu-south-1"].sent_messages
    assert sent.source == "Atourin <no-reply@example.com>"
    assert sent.destinations == {"ToAddresses": [ANA]}
    assert (sent.subject, sent.body) == (MAIL.subject, MAIL.html)


def test_a_message_is_sent_as_text_and_html_with_every_setting(ses: "SESV2Client") -> None:
    settings = MailSettings(
        product_name="Atourin",
        sender_address="no-reply@example.com",
        sender_name="Città",
        reply_to="help@example.com",
        configuration_set="auth",
    )

    with Stubber(ses) as stub:
        stub.add_response(
            "send_email",
            {"MessageId": "1"},
            expected_params={
                "FromEmailAddress": "=?utf-8?b?Q2l0dMOg?= <no-reply@example.com>",
                "Destination": {"ToAddresses": [ANA]},
                "ReplyToAddresses": ["help@example.com"],
                "ConfigurationSetName": "auth",
                "EmailTags": [{"Name": "kind", "Value": "sign_in_code"}],
                "Content": {
                    "Simple": {
                        "Subject": {"Data": MAIL.subject, "Charset": "UTF-8"},
                        "Body": {
                            "Text": {"Data": MAIL.text, "Charset": "UTF-8"},
                            "Html": {"Data": MAIL.html, "Charset": "UTF-8"},
                        },
                        "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
                    }
                },
            },
        )

        SesOutbox(client=ses, settings=settings).send(MAIL)

        stub.assert_no_pending_responses()


def error_of(ses: "SESV2Client", code: str) -> Exception:
    with Stubber(ses) as stub:
        stub.add_client_error("send_email", service_error_code=code, service_message=f"{ANA} is not verified")
        with pytest.raises((MailRejected, DependencyUnavailable)) as caught:
            SesOutbox(client=ses, settings=BARE).send(MAIL)
    return caught.value


@pytest.mark.parametrize("code", ["MessageRejected", "BadRequestException"])
def test_a_rejected_message_is_a_final_error(ses: "SESV2Client", code: str) -> None:
    error = error_of(ses, code)

    assert isinstance(error, MailRejected)
    assert error.reason == code
    assert ANA not in str(error)
    assert error.__suppress_context__


@pytest.mark.parametrize(
    "code",
    [
        "TooManyRequestsException",
        "LimitExceededException",
        "SendingPausedException",
        "AccountSuspendedException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",  # a configuration set that is not there
        "AccessDeniedException",
        "ExpiredTokenException",
        "ThrottlingException",
        "InternalServerError",
    ],
)
def test_an_error_that_can_be_mended_is_retryable(ses: "SESV2Client", code: str) -> None:
    error = error_of(ses, code)

    assert isinstance(error, DependencyUnavailable)  # F24
    assert str(error) == f"SES SendEmail: {code}"
    assert error.__suppress_context__


class FailingClient:
    """An SES client whose calls fail."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def send_email(self, **_: Any) -> None:
        raise self.fault


@pytest.mark.parametrize(
    "fault",
    [
        ReadTimeoutError(endpoint_url=f"https://email.example/{ANA}"),
        EndpointConnectionError(endpoint_url=f"https://email.example/{ANA}"),
        NoCredentialsError(),
    ],
)
def test_a_message_without_a_response_is_retryable(fault: Exception) -> None:
    outbox = SesOutbox(client=cast("SESV2Client", FailingClient(fault)), settings=BARE)

    with pytest.raises(DependencyUnavailable) as unavailable:
        outbox.send(MAIL)

    assert str(unavailable.value) == f"SES SendEmail: {type(fault).__name__}"  # F25


def test_sending_a_mail_logs_nothing(ses: "SESV2Client", caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="gerbang")

    SesOutbox(client=ses, settings=BARE).send(MAIL)

    assert [record for record in caplog.records if record.name.startswith("gerbang")] == []
