"""`make smoke`: it passes on a correct API, names the first deviation, and deletes its account."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, override

import boto3
import pytest
from gerbang.storage.dynamodb import from_wire
from gerbang_smoke.__main__ import DEVIATED, NOT_WALKED, PASSED, main
from gerbang_smoke.http import Answer, Api, NotAnAddress
from gerbang_smoke.walk import Deviation, Walk
from moto import mock_aws

from tests.http_servers import Handler, serving
from tests.local.conftest import Served, served

TEMPLATE: Final = Path(__file__).parents[2] / "template.yaml"
REGION: Final = "eu-west-1"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """The server of `make run`, with cheap hashes."""
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


def test_it_passes_and_names_the_account_that_it_could_not_delete(server: Served) -> None:
    run = smoke("--url", server.url)

    assert (run.status, run.error) == (PASSED, "")
    assert "18 steps, all as expected" in run.out
    assert "Not deleted: the account smoke-" in run.out


def test_tokens_and_passwords_are_not_printed(server: Served) -> None:
    run = smoke("--url", server.url)

    assert "eyJ" not in run.out
    assert "Smoke-" not in run.out


@dataclass(frozen=True, slots=True)
class Altered(Api):
    """An API with one changed answer."""

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
    ("path", "alter", "message"),
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
            "organisation of another account: expected 403, got 200",
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
def test_a_deviation_is_named(server: Served, path: str, alter: Callable[[Answer], Answer], message: str) -> None:
    walk = Walk(api=Altered(Api.at(server.url).parts, path, alter), publishable_key=None)

    with pytest.raises(Deviation) as deviation:
        list(walk.steps())

    assert message in str(deviation.value)
    assert "eyJ" not in str(deviation.value)


@contextmanager
def other_api(answers: Sequence[int]) -> Iterator[str]:
    """Serve another API that answers with these statuses one after the other. Yield the URL of its route."""
    statuses = list(answers)

    class OtherApi(Handler):
        @override
        def respond(self, body: bytes) -> None:
            self.reply(b'{"message":"from the gateway"}', statuses.pop(0))

    with serving(OtherApi) as port:
        yield f"http://127.0.0.1:{port}/orders"


def test_other_apis_are_called_with_a_valid_and_an_ended_token(server: Served) -> None:
    with other_api([200, 401]) as orders, other_api([200, 200]) as prices:
        run = smoke("--url", server.url, "--lambda-route", orders, "--jwt-route", prices)

    assert (run.status, run.error) == (PASSED, "")
    printed = [line.split()[-3] for line in run.out.splitlines() if "authorizer" in line]
    assert printed == ["200", "200", "401", "200"]
    assert run.out.count('AWS answered: {"message":"from the gateway"}') == 4


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([200, 200], "dead token at the Lambda authorizer: expected 401, got 200"),
        ([403], "token at the Lambda authorizer: expected to be let in, got 403"),
        ([500], "token at the Lambda authorizer: expected no server error, got 500"),
    ],
)
def test_an_authorizer_with_a_wrong_answer_is_named(server: Served, answers: Sequence[int], message: str) -> None:
    with other_api(answers) as orders:
        run = smoke("--url", server.url, "--lambda-route", orders)

    assert run.status == DEVIATED
    assert message in run.error


def test_a_deviation_is_the_exit_status(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", "http://127.0.0.1:9"]) == DEVIATED

    printed = capfd.readouterr()
    assert "FAILED at step 1, register: http://127.0.0.1:9 does not answer" in printed.err


@pytest.mark.parametrize("url", ["http://auth.example.com", "auth.example.com", "ftp://auth.example.com", "https://"])
def test_an_unencrypted_remote_url_is_rejected(url: str) -> None:
    with pytest.raises(NotAnAddress):
        Api.at(url)

    assert smoke("--url", url).status == NOT_WALKED


def test_a_url_or_a_stack_is_required() -> None:
    with pytest.raises(SystemExit):
        smoke()


# --- a stack by its name ----------------------------------------------------------------------------------------------


@pytest.fixture
def stack(dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stack on moto. Its outputs name a running API and tables on DynamoDB Local."""
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
def test_a_stack_is_tested_by_its_name_and_the_account_is_deleted(stack: Any) -> None:
    run = smoke("--stack", "gerbang", "--region", REGION)

    assert (run.status, run.error) == (PASSED, "")
    assert "refresh as Supabase clients do" in run.out
    assert run.out.endswith("The account was deleted again.\n")
    [person] = [line.split()[-1] for line in run.out.splitlines() if line.startswith("Walking")]
    users = [from_wire(item) for item in stack.scan(TableName="gerbang-local-Users")["Items"]]
    assert person not in json.dumps(users)


@mock_aws
def test_a_missing_stack_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")

    run = smoke("--stack", "nowhere", "--region", REGION)

    assert run == Run(
        NOT_WALKED,
        "",
        f"There is no stack nowhere in {REGION}, in the account of these credentials. "
        "Check --stack, --region and --profile.\n",
    )
