"""gerbang.mail.jobs: the language asked for, the job as it is queued, and the queue on SQS."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.session import Session
from botocore.stub import Stubber
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import (
    LOCALES,
    InvalidMailJob,
    Locale,
    MailJob,
    MailKind,
    MailQueue,
    SqsMailQueue,
    choose_locale,
    requested_locale,
)
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ANA = "ana@example.com"


def job(locale: str | None = "id") -> MailJob:
    asked = None if locale is None else Locale(locale)
    return MailJob(job_id="job-1", kind=MailKind.SIGN_IN_CODE, email=ANA, locale=asked)


# --- choosing a language


def test_the_four_languages_are_there() -> None:
    assert {"en", "id", "it", "es"} <= LOCALES


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("it", "it"),
        ("IT", "it"),
        ("es-MX", "es"),
        ("id-Latn-ID", "id"),
        ("in", "id"),  # Indonesian's old code
        ("in-ID,en;q=0.8", "id"),
        ("it-IT,it;q=0.9,en-US;q=0.8,en;q=0.7", "it"),
        ("en;q=0.4, es;q=0.9, it;q=0.7", "es"),
        ("es;q=0.5, it;q=0.5", "es"),  # equal weights: the header's order
        ("fr, de;q=0.9, id;q=0.1", "id"),
        ("it;q=0, es;q=0.1", "es"),
        ("it ; q=0.2\t,\tes ;q=0.300", "es"),
        ("it;Q=1.000", "it"),
        (",, ,it,", "it"),
        ("*, it;q=0.5", "it"),
    ],
)
def test_the_requests_language_comes_first(header: str, chosen: str) -> None:
    assert choose_locale(header, "en", "en") == chosen


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "*",
        "fr",
        "zh-Hant-TW, ja;q=0.3",
        "it;q=0",
        "it;q=2",
        "it;q=0.1234",
        "it;q=-1",
        "it;q=NaN",
        "it;level=1",
        "../it",
        "it/../../etc",
        "italiano",
        "it_IT",
        "it\r\nX-Evil: 1",
        "ìt",
        "-it",
        "it-",
        ";q=1",
        "\x00",
    ],
)
def test_a_header_that_asks_for_none_of_ours_leaves_it_to_the_account(header: str | None) -> None:
    assert requested_locale(header) is None
    assert choose_locale(header, "es", "it") == "es"


def test_without_an_account_language_the_deployments_is_taken() -> None:
    assert choose_locale(None, None, "it") == "it"
    assert choose_locale("fr", "de", "id-ID") == "id"


def test_a_deployment_language_without_templates_falls_back_to_english() -> None:
    assert choose_locale(None, None, "tlh") == "en"


def test_what_the_wish_kept_of_the_request_still_comes_before_the_account() -> None:
    asked = requested_locale("it-CH")

    assert choose_locale(asked, "es", "en") == "it"


def test_only_the_first_kilobyte_of_a_header_is_looked_at() -> None:
    assert requested_locale("fr," * 341 + "it") is None  # "it" reaches past the 1,024th character
    assert requested_locale("it," + "fr," * 100_000) == "it"


def test_a_range_cut_in_two_by_the_limit_is_ignored() -> None:
    header = "es;q=0.1," + "x" * 1010 + ",it-IT-verylong;q=0.0"

    assert requested_locale(header) == "es"


@pytest.mark.parametrize("header", ["a-" * 100_000, "it;q=" + "0" * 200_000, " \t" * 100_000, "it," * 100_000])
def test_a_hostile_header_costs_no_time(header: str) -> None:
    started = time.perf_counter()

    choose_locale(header, header, header)

    assert time.perf_counter() - started < 1  # ASVS 1.3.12


@given(st.text(), st.none() | st.text(), st.text())
def test_any_text_leads_to_a_language_of_ours(header: str, account: str | None, default: str) -> None:
    assert choose_locale(header, account, default) in LOCALES


# --- the job


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("locale", ["en", None])
def test_a_wish_survives_the_queue(kind: MailKind, locale: str | None) -> None:
    asked = None if locale is None else Locale(locale)
    sent = MailJob(job_id="job-1", kind=kind, email="jürgen@xn--bcher-kva.example", locale=asked)

    assert MailJob.from_json(sent.to_json()) == sent


def test_a_queued_wish_says_its_version() -> None:
    assert json.loads(job().to_json()) == {
        "version": 1,
        "job_id": "job-1",
        "kind": "sign_in_code",
        "email": ANA,
        "locale": "id",
    }


def test_a_wish_shows_no_address_when_printed() -> None:
    assert ANA not in repr(job())  # ASVS 16.2.5


def test_a_language_removed_while_the_wish_was_queued_is_no_wish_for_a_language() -> None:
    queued = job().to_json().replace('"id"', '"tlh"')

    assert MailJob.from_json(queued).locale is None


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(job().to_json()), **fields})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        '"job"',
        "[" * 100_000,
        changed(version=2),
        changed(version="1"),
        changed(version=None),
        changed(kind="invoice"),
        changed(kind=1),
        changed(kind=["sign_in_code"]),
        changed(email=None),
        changed(email=""),
        changed(email=["ana@example.com"]),
        changed(email="a" * 255),
        changed(job_id=""),
        changed(job_id="w" * 129),
        changed(job_id=7),
        changed(locale=1),
        changed(code="123456"),
        job().to_json().replace("}", ', "email": "eve@example.com"}'),
        json.dumps({key: value for key, value in json.loads(job().to_json()).items() if key != "locale"}),
    ],
)
def test_anything_else_in_the_queue_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidMailJob) as refused:
        MailJob.from_json(text)

    assert "@" not in str(refused.value)
    assert refused.value.__cause__ is None


# --- the queue on SQS


@pytest.fixture
def sqs() -> Iterator["SQSClient"]:
    with mock_aws():
        yield cast(
            "SQSClient",
            Session().create_client(
                "sqs", region_name="eu-south-1", aws_access_key_id="testing", aws_secret_access_key="testing"
            ),
        )


def test_a_wish_enqueued_is_what_the_mailer_receives(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]
    queue: MailQueue = SqsMailQueue(client=sqs, queue_url=url)

    queue.enqueue(job())

    received = sqs.receive_message(QueueUrl=url).get("Messages", [])
    assert [MailJob.from_json(message.get("Body", "")) for message in received] == [job()]


@pytest.mark.parametrize(
    "code",
    ["RequestThrottled", "AWS.SimpleQueueService.NonExistentQueue", "AccessDenied", "KmsThrottled", "InternalError"],
)
def test_a_wish_that_sqs_refuses_may_be_tried_again(sqs: "SQSClient", code: str) -> None:
    queue = SqsMailQueue(client=sqs, queue_url="https://sqs.eu-south-1.amazonaws.com/123456789012/mail")

    with Stubber(sqs) as stub:
        stub.add_client_error("send_message", service_error_code=code, service_message=f"about {ANA}")
        with pytest.raises(DependencyUnavailable) as unavailable:
            queue.enqueue(job())

    assert code in str(unavailable.value)
    assert ANA not in str(unavailable.value)
    assert unavailable.value.__suppress_context__


class SilentQueue:
    """An SQS client whose calls time out."""

    def send_message(self, **_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url=f"https://sqs.example/?body={ANA}")


def test_a_wish_that_sqs_never_answered_may_be_tried_again() -> None:
    queue = SqsMailQueue(client=cast("SQSClient", SilentQueue()), queue_url="https://sqs.example/mail")

    with pytest.raises(DependencyUnavailable) as unavailable:
        queue.enqueue(job())

    assert str(unavailable.value) == "SQS SendMessage: ConnectTimeoutError"
