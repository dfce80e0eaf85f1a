"""gerbang.mail.ses: what SES is given, and what becomes of its errors."""

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


def test_a_message_sent_is_what_ses_takes(ses: "SESV2Client") -> None:
    outbox: Outbox = SesOutbox(client=ses, settings=BARE)
    outbox.send(MAIL)

    [sent] = ses_backends[DEFAULT_ACCOUNT_ID]["eu-south-1"].sent_messages
    assert sent.source == "Atourin <no-reply@example.com>"
    assert sent.destinations == {"ToAddresses": [ANA]}
    assert (sent.subject, sent.body) == (MAIL.subject, MAIL.html)


def test_a_message_goes_out_as_text_and_html_with_all_that_was_set(ses: "SESV2Client") -> None:
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


def refusal(ses: "SESV2Client", code: str) -> Exception:
    with Stubber(ses) as stub:
        stub.add_client_error("send_email", service_error_code=code, service_message=f"{ANA} is not verified")
        with pytest.raises((MailRejected, DependencyUnavailable)) as refused:
            SesOutbox(client=ses, settings=BARE).send(MAIL)
    return refused.value


@pytest.mark.parametrize("code", ["MessageRejected", "BadRequestException"])
def test_what_ses_will_never_take_is_refused_for_good(ses: "SESV2Client", code: str) -> None:
    refused = refusal(ses, code)

    assert isinstance(refused, MailRejected)
    assert refused.reason == code
    assert ANA not in str(refused)
    assert refused.__suppress_context__


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
def test_what_time_or_an_operator_can_mend_is_tried_again(ses: "SESV2Client", code: str) -> None:
    unavailable = refusal(ses, code)

    assert isinstance(unavailable, DependencyUnavailable)  # F24
    assert str(unavailable) == f"SES SendEmail: {code}"
    assert unavailable.__suppress_context__


class BrokenLine:
    """An SES client that does not get through."""

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
def test_a_message_that_ses_never_answered_is_sent_again(fault: Exception) -> None:
    outbox = SesOutbox(client=cast("SESV2Client", BrokenLine(fault)), settings=BARE)

    with pytest.raises(DependencyUnavailable) as unavailable:
        outbox.send(MAIL)

    assert str(unavailable.value) == f"SES SendEmail: {type(fault).__name__}"  # F25


def test_nothing_is_logged_about_a_mail(ses: "SESV2Client", caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="gerbang")

    SesOutbox(client=ses, settings=BARE).send(MAIL)

    assert [record for record in caplog.records if record.name.startswith("gerbang")] == []
