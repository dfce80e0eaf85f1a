"""`python -m gerbang_local` as a process: handlers, local pages, and requests of all kinds."""

import http.client
import json
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.local.conftest import Served, served, write_stack
from tests.local.small_stack import FILES, STACK, ask


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server of the small stack, shared by all tests that do not stop it."""
    template = write_stack(tmp_path_factory.mktemp("stack"), STACK, FILES)
    # The developer's environment has AWS settings and a variable that functions must not see.
    with served(template, AWS_PROFILE="developer", AWS_ENDPOINT_URL="http://127.0.0.1:1", MINE="mine") as running:
        yield running


def status_of(service: Served, raw: bytes) -> int:
    """Send raw bytes, and return the status of the response."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(raw)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status


# --- the handlers -----------------------------------------------------------------------------------------------------


def test_a_handler_has_its_own_environment_without_the_developers_variables(service: Served) -> None:
    _, answer = ask(service, "/echo/x")

    environment = answer["environment"]
    assert environment["GREETING"] == "hello"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "gerbang-local-Echo"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment.keys().isdisjoint({"AWS_PROFILE", "AWS_ENDPOINT_URL", "MINE"})
    assert answer["helper"] == "echo"
    assert ask(service, "/once", "a") == (201, "its own")
    assert ask(service, "/once", "a") == (409, "once")


def test_shared_variables_are_available_during_invocations(service: Served) -> None:
    _, answer = ask(service, "/echo/x")

    assert answer["shared"] == "gerbang-local-Items"


def test_exactly_one_of_fifty_concurrent_requests_succeeds(service: Served) -> None:
    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(status for status, _ in pool.map(lambda _: ask(service, "/once", "race"), range(50)))

    assert outcomes == {201: 1, 409: 49}


def test_a_handler_that_raises_is_a_500_and_its_traceback_is_printed(service: Served) -> None:
    assert ask(service, "/boom", "") == (500, {"message": "Internal Server Error"})
    assert eventually(lambda: "RuntimeError: this is the traceback" in service.output())


def test_every_request_is_printed_without_its_query(service: Served) -> None:
    ask(service, "/echo/line?token=secret")

    assert eventually(lambda: "GET /echo/line 200 " in service.output())
    assert "token=secret" not in service.output()


def eventually(condition: Callable[[], bool], *, seconds: float = 2.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


# --- local pages ------------------------------------------------------------------------------------------------------


def test_a_mail_arrives_in_the_mailbox_within_a_second(service: Served) -> None:
    assert ask(service, "/job", "ada@example.com") == (202, "")

    assert eventually(lambda: len(ask(service, "/_local/mailbox.json")[1]) == 1, seconds=1.0)
    [mail] = ask(service, "/_local/mailbox.json")[1]
    assert mail.pop("at").endswith("Z")
    assert mail == {"to": "ada@example.com", "subject": "Hello", "text": "Hi", "html": ""}


def test_the_api_keys_are_shown(service: Served) -> None:
    _, config = ask(service, "/_local/config.json")

    assert config["publishable_key"] == "pk_gerbang-local"
    assert len(config["secret_key"]) == 40


def test_mails_on_the_mailbox_page_cannot_run_scripts(service: Served) -> None:
    with urllib.request.urlopen(service.url + "/_local/") as answer:  # noqa: S310
        page = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]

    assert "ANY /echo/{proxy+}" in page
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert f'<script nonce="{nonce}">' in page
    assert "default-src 'none'" in policy
    assert 'frame.sandbox = "allow-popups allow-popups-to-escape-sandbox"' in page


def test_functions_use_the_stand_in_for_google(service: Served) -> None:
    environment = ask(service, "/echo/x")[1]["environment"]
    status, issued = ask(
        service, "/_local/google/id_token", '{"email": "a@example.com", "name": "A", "google_id": "1"}'
    )

    assert environment["CERTS"] == f"{service.url}/_local/google/certs"
    assert environment["CLIENT_IDS"] == "local.apps.googleusercontent.com"
    assert status == 200
    assert issued["id_token"].count(".") == 2
    with urllib.request.urlopen(environment["CERTS"]) as certs:  # noqa: S310
        assert certs.headers["Cache-Control"] == "public, max-age=300"
        assert json.loads(certs.read())["keys"][0]["alg"] == "RS256"


@pytest.mark.parametrize("body", ["{}", "[]", "not json", '{"email": "a@example.com", "name": "A"}'])
def test_the_stand_in_for_google_rejects_incomplete_requests(service: Served, body: str) -> None:
    status, answer = ask(service, "/_local/google/id_token", body)

    assert status == 400
    assert answer["message"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/_local/nothing", 404), ("DELETE", "/_local/", 405)])
def test_other_local_paths_and_methods_are_errors(service: Served, method: str, path: str, status: int) -> None:
    assert ask(service, path, method=method)[0] == status


# --- requests of all kinds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /echo/%zz%ff?%zz=%ff HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\xe9\r\n\r\n", 200),
        (b"GET http://other.example/echo/x HTTP/1.1\r\nHost: other.example\r\n\r\n", 200),
        (b"TRACE /echo/x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"HEAD /echo/x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"get /echo/x HTTP/1.0\r\n\r\n", 200),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
        (b"HEAD /_local/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /echo/\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /echo/x HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /once HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 60_000 + b"\r\n\r\n", 431),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 431),
        (b"GET /echo/" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
    ],
    ids=repr,
)
def test_unusual_requests_get_an_answer_and_the_server_keeps_running(service: Served, raw: bytes, status: int) -> None:
    assert status_of(service, raw) == status
    assert ask(service, "/echo/still-running")[0] == 200


def test_a_body_above_10_mb_is_413_before_it_is_sent_completely(service: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("POST", "/once", body=b"x" * (12 * 1024 * 1024))
    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())) == (413, {"message": "Request Entity Too Large"})
    connection.close()


def test_a_connection_is_kept_open_for_further_requests(service: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)

    for number in range(3):
        connection.request("POST", "/nowhere", body=b"x" * 100_000)
        assert connection.getresponse().read() == b'{"message":"Not Found"}'
        connection.request("GET", f"/echo/{number}")
        assert json.loads(connection.getresponse().read())["rawPath"] == f"/echo/{number}"

    connection.close()


def test_the_source_address_is_that_of_the_connection(service: Served) -> None:
    _, event = ask(service, "/echo/x", **{"X-Forwarded-For": "198.51.100.7"})

    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-for"] == "198.51.100.7, 127.0.0.1"
