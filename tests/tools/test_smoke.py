"""`make smoke`: the walk passes where all is well, names what is not, and tidies up after itself."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final, override

import boto3
import pytest
from gerbang.storage.dynamodb import from_wire
from gerbang_smoke.__main__ import DEVIATED, NOT_WALKED, PASSED, main
from gerbang_smoke.http import Answer, Api, NotAnAddress
from gerbang_smoke.walk import Deviation, Walk
from moto import mock_aws

from tests.local.conftest import Served, served

TEMPLATE: Final = Path(__file__).parents[2] / "template.yaml"
REGION: Final = "eu-west-1"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """`make run`, with cheap hashes."""
    with served(TEMPLATE, PARAMETERS="PasswordHashCost=10 LimitRegistration=1000/3600") as running:
        yield running


@dataclass(frozen=True, slots=True)
class Run:
    status: int
    out: str
    error: str


def smoke(*arguments: str) -> Run:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as error:
        status = main(arguments)
    return Run(status, out.getvalue(), error.getvalue())


def test_the_walk_passes_and_says_what_it_left(server: Served) -> None:
    run = smoke("--url", server.url)

    assert (run.status, run.error) == (PASSED, "")
    assert "18 steps, all as expected" in run.out
    assert "Not deleted: the account smoke-" in run.out


def test_no_token_and_no_password_is_printed(server: Served) -> None:
    run = smoke("--url", server.url)

    assert "eyJ" not in run.out
    assert "Smoke-" not in run.out


@dataclass(frozen=True, slots=True)
class Altered(Api):
    """An API one of whose answers is another."""

    path: str
    alter: Callable[[Answer], Answer]

    @override
    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        answer = Api.ask(self, method, path, body, **headers)
        return self.alter(answer) if path == self.path else answer


def with_header(name: str, value: str) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, headers={**answer.headers, name: value})


def with_json(change: Callable[[dict[str, Any]], object]) -> Callable[[Answer], Answer]:
    def alter(answer: Answer) -> Answer:
        body = answer.json
        change(body)
        return replace(answer, text=json.dumps(body))

    return alter


@pytest.mark.parametrize(
    ("path", "alter", "told"),
    [
        ("/api/auth/register", lambda answer: replace(answer, status=500), "register: expected 201, got 500"),
        ("/api/auth/login", with_header("cache-control", "public"), "wrong password: expected cache-control: no-store"),
        ("/api/auth/refresh", with_json(lambda body: body.pop("data")), "refresh: the answer has no data.accessToken"),
        (
            "/api/auth/me",
            with_json(lambda body: body["data"].update(email="x@y.zz")),
            "me: the answer is about another",
        ),
        (
            "/api/organization",
            lambda answer: replace(answer, status=200),
            "organization of another account: expected 403, got 200",
        ),
        (
            "/api/auth/logout",
            lambda answer: replace(answer, status=502, text="<html>"),
            "sign out: expected 200, got 502",
        ),
        ("/auth/login_with_email_password", with_header("x-content-type-options", ""), "sign in at Atourin"),
        ("/api/auth/nothing", lambda answer: replace(answer, status=403), "unknown path: expected 404, got 403"),
        (
            "/.well-known/jwks.json",
            with_json(lambda body: body["keys"].append({"k": "c2VjcmV0"})),
            "private or symmetric key",
        ),
    ],
)
def test_what_is_not_as_it_must_be_is_named(
    server: Served, path: str, alter: Callable[[Answer], Answer], told: str
) -> None:
    walk = Walk(api=Altered(Api.at(server.url).parts, path, alter), publishable_key=None)

    with pytest.raises(Deviation) as deviation:
        list(walk.steps())

    assert told in str(deviation.value)
    assert "eyJ" not in str(deviation.value)


@contextmanager
def other_api(answers: Sequence[int]) -> Iterator[str]:
    """An API of the operator's that answers with these statuses, one after the other; yields its route's URL."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"message":"from the gateway"}'
            self.send_response(left.pop(0))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as api:
        Thread(target=api.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{api.server_port}/orders"
        api.shutdown()


def test_other_apis_are_asked_with_the_token_alive_and_dead(server: Served) -> None:
    with other_api([200, 401]) as orders, other_api([200, 200]) as prices:
        run = smoke("--url", server.url, "--lambda-route", orders, "--jwt-route", prices)

    assert (run.status, run.error) == (PASSED, "")
    said = [line.split()[-3] for line in run.out.splitlines() if "authorizer" in line]
    assert said == ["200", "200", "401", "200"]
    assert run.out.count('AWS answered: {"message":"from the gateway"}') == 4


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([200, 200], "dead token at the Lambda authorizer: expected 401, got 200"),
        ([403], "token at the Lambda authorizer: expected the token to be accepted, got 403"),
        ([500], "token at the Lambda authorizer: expected no server error, got 500"),
    ],
)
def test_an_authorizer_that_errs_is_named(server: Served, answers: Sequence[int], told: str) -> None:
    with other_api(answers) as orders:
        run = smoke("--url", server.url, "--lambda-route", orders)

    assert run.status == DEVIATED
    assert told in run.error


def test_a_deviation_is_the_exit_status(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", "http://127.0.0.1:9"]) == DEVIATED

    said = capfd.readouterr()
    assert "FAILED at step 1, register: http://127.0.0.1:9 does not answer" in said.err


@pytest.mark.parametrize("url", ["http://auth.example.com", "auth.example.com", "ftp://auth.example.com", "https://"])
def test_passwords_do_not_travel_in_the_clear(url: str) -> None:
    with pytest.raises(NotAnAddress):
        Api.at(url)

    assert smoke("--url", url).status == NOT_WALKED


def test_something_to_walk_is_expected() -> None:
    with pytest.raises(SystemExit):
        smoke()


# --- a stack by its name ----------------------------------------------------------------------------------------------


@pytest.fixture
def stack(dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stack on moto whose outputs name an API that is served here, and its tables on DynamoDB Local."""
    for name, value in {"ACCESS_KEY_ID": "local", "SECRET_ACCESS_KEY": "local"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    parameters = "PasswordHashCost=10 PublishableKey=sb_publishable_smoke"
    with served(TEMPLATE, DYNAMODB_ENDPOINT=dynamodb_endpoint, PARAMETERS=parameters) as running:
        names = ("Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes")
        tables = {f"{name}Table": f"gerbang-local-{name}" for name in names}
        outputs = {"ApiUrl": running.url, "PublishableKey": "sb_publishable_smoke", **tables}
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
        with mock_aws():
            cloudformation: Any = boto3.client("cloudformation", region_name=REGION)
            template = {
                "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
                "Outputs": {name: {"Value": value} for name, value in outputs.items()},
            }
            cloudformation.create_stack(StackName="gerbang", TemplateBody=json.dumps(template))
            yield boto3.client("dynamodb", region_name="us-east-1")


@pytest.mark.storage
def test_a_stack_is_walked_by_its_name_and_left_as_it_was(stack: Any) -> None:
    run = smoke("--stack", "gerbang", "--region", REGION)

    assert (run.status, run.error) == (PASSED, "")
    assert "refresh as Supabase clients do" in run.out
    assert run.out.endswith("The account was deleted again.\n")
    [person] = [line.split()[-1] for line in run.out.splitlines() if line.startswith("Walking")]
    users = [from_wire(item) for item in stack.scan(TableName="gerbang-local-Users")["Items"]]
    assert person not in json.dumps(users)


@mock_aws
def test_a_stack_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")

    run = smoke("--stack", "nowhere", "--region", REGION)

    assert run == Run(
        NOT_WALKED,
        "",
        f"There is no stack nowhere in {REGION}, in the account of these credentials. "
        "Check --stack, --region and --profile.\n",
    )
