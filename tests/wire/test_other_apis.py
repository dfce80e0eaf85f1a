"""Other APIs verify access tokens with the README's code, against `make run` with RS256 (security.md 72)."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, override
from unittest.mock import patch

import jwt
import pytest
import yaml

from tests.http_servers import Handler, serving
from tests.jwt_authorizer import Denied, JwtAuthorizer
from tests.wire.client import Client
from tests.wire.server import Server, running
from tests.wire.shapes import claims_of

README: Final = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
ISSUER: Final = "https://auth.example.com"
CLAIMS: Final = {"plan": "gold", "scope": "read:orders write:orders"}
PERSON: Final = {"email": "mira@example.com", "password": "Violet-tram-42", "name": "Mira"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


class _Claims(Handler):
    """Implements Lambda's Invoke with the function that the README shows."""

    @override
    def respond(self, body: bytes) -> None:
        event = json.loads(body)
        [source] = [block for block in blocks("python") if "def handler(event" in block]
        names: dict[str, Any] = {}
        exec(source, names)  # noqa: S102 - the README's code
        self.reply(json.dumps(names["handler"](event, None)).encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A deployment with RS256, a claims function and events."""
    parameters = (
        f"TokenAlgorithm=RS256 PublicUrl={ISSUER} EventBusName=default RefreshGraceSeconds=0 "
        "ClaimsFunctionArn=arn:aws:lambda:us-east-1:123456789012:function:claims"
    )
    folder = tmp_path_factory.mktemp("other-apis")
    with (
        serving(_Claims) as port,
        running(folder, PARAMETERS=parameters, LAMBDA_ENDPOINT=f"http://127.0.0.1:{port}") as server,
    ):
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(address="127.0.98.1", port=server.port)


@pytest.fixture(scope="module")
def session(client: Client) -> dict[str, Any]:
    answer = client.post("/api/auth/register", PERSON)
    assert answer.status == 201, answer.raw
    data: dict[str, Any] = answer.data
    return data


@pytest.fixture(scope="module")
def fetch(client: Client) -> Callable[[str], Any]:
    """Fetches documents from `PublicUrl`."""

    def get(url: str) -> Any:
        assert url.startswith(ISSUER)
        answer = client.get(url.removeprefix(ISSUER))
        assert answer.status == 200, answer.raw
        return answer.json

    return get


@pytest.fixture
def authorizer(fetch: Callable[[str], Any]) -> JwtAuthorizer:
    """The authorizer of the README's template."""
    [written] = [block for block in blocks("yaml") if "JwtConfiguration" in block]
    auth = yaml.safe_load(written)["Api"]["Properties"]["Auth"]
    chosen = auth["Authorizers"][auth["DefaultAuthorizer"]]
    assert chosen["IdentitySource"] == "$request.header.Authorization"
    configuration = chosen["JwtConfiguration"]
    return JwtAuthorizer(
        issuer=configuration["issuer"],
        audience=configuration["audience"],
        fetch=fetch,
        now=lambda: time.time() + 1,  # `iat` has whole seconds, and must be in the past
    )


def test_the_jwt_authorizer_accepts_our_tokens(authorizer: JwtAuthorizer, session: dict[str, Any]) -> None:
    claims = authorizer.authorize(f"Bearer {session['accessToken']}")

    assert (claims["email"], claims["token_use"]) == (PERSON["email"], "access")
    assert {name: claims[name] for name in CLAIMS} == CLAIMS


def test_the_jwt_authorizer_checks_scopes_of_the_claims_function(
    authorizer: JwtAuthorizer, session: dict[str, Any]
) -> None:
    authorizer.authorize(f"Bearer {session['accessToken']}", scopes=["write:orders", "admin"])

    with pytest.raises(Denied, match="scope"):
        authorizer.authorize(f"Bearer {session['accessToken']}", scopes=["admin"])


def test_the_jwt_authorizer_rejects_a_refresh_token(authorizer: JwtAuthorizer, session: dict[str, Any]) -> None:
    with pytest.raises(Denied, match="algorithm"):
        authorizer.authorize(f"Bearer {session['refreshToken']}")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"issuer": "https://elsewhere.example.com"}, "iss"),
        ({"audience": ["others"]}, "aud"),
        ({"now": lambda: time.time() + 3600}, "exp"),
        ({"now": lambda: time.time() - 3600}, "iat"),
    ],
)
def test_the_jwt_authorizer_checks_issuer_audience_and_times(
    authorizer: JwtAuthorizer, session: dict[str, Any], change: dict[str, Any], rule: str
) -> None:
    for name, value in change.items():
        setattr(authorizer, name, value)

    with pytest.raises(Denied, match=rule):
        authorizer.authorize(f"Bearer {session['accessToken']}")


def test_the_jwt_authorizer_rejects_a_changed_token(authorizer: JwtAuthorizer, session: dict[str, Any]) -> None:
    header, payload, signature = session["accessToken"].split(".")

    with pytest.raises(Denied, match="signature"):
        authorizer.authorize(f"Bearer {header}.{payload}.{signature[:-8]}AAAAAAAA")


def test_a_refresh_keeps_the_claims_and_only_our_endpoints_notice_a_sign_out(
    authorizer: JwtAuthorizer, client: Client
) -> None:
    signed_in = client.post("/api/auth/login", {"email": PERSON["email"], "password": PERSON["password"]})
    refreshed = client.post("/api/auth/refresh", {"refreshToken": signed_in.data["refreshToken"]})
    token = refreshed.data["accessToken"]
    assert claims_of(token)["plan"] == "gold"
    assert client.post("/api/auth/logout", {}, bearer=token).status == 200

    assert client.get("/api/auth/me", bearer=token).status == 401
    assert authorizer.authorize(f"Bearer {token}")["sub"] == claims_of(token)["sub"]


def test_the_readmes_python_verifies_a_token(fetch: Callable[[str], Any], session: dict[str, Any]) -> None:
    [source] = [block for block in blocks("python") if "PyJWKClient" in block]
    names: dict[str, Any] = {}
    with patch.object(jwt.PyJWKClient, "fetch_data", lambda keys: fetch(keys.uri)):
        exec(source, names)  # noqa: S102 - the README's code
        claims = names["claims_of"](session["accessToken"])
        with pytest.raises(jwt.PyJWTError):
            names["claims_of"](session["refreshToken"])

    assert claims["email"] == PERSON["email"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_readmes_typescript_verifies_a_token(client: Client, session: dict[str, Any], tmp_path: Path) -> None:
    modules = Path(__file__).parents[1] / "clients" / "javascript" / "node_modules"
    if not (modules / "jose").is_dir():
        pytest.skip("needs jose: tools/bootstrap/javascript-clients")
    [source] = blocks("ts")
    keys = f"http://127.0.0.1:{client.port}/.well-known/jwks.json"
    source = source.replace("`${issuer}/.well-known/jwks.json`", f'"{keys}"').replace(
        "(accessToken: string)", "(accessToken)"
    )
    calls = "console.log((await claimsOf(process.argv[2])).email);\n"
    calls += "claimsOf(process.argv[3]).catch(() => console.log('no'));"
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "verify.mjs").write_text(f"{source}\n{calls}")

    ran = subprocess.run(
        ["node", "verify.mjs", session["accessToken"], session["refreshToken"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.stdout.split(), ran.stderr) == ([PERSON["email"], "no"], "")


def events_of(server: Server) -> list[dict[str, Any]]:
    """Return the events that `make run` has printed."""
    return [json.loads(line) for line in re.findall(r" event default (\{.*\})$", server.output(), re.MULTILINE)]


def test_changes_are_published_as_events_including_a_suspected_theft(server: Server, client: Client) -> None:
    """They go from the tables' streams through the events function to the event bus."""
    email = "thief@example.com"
    used = client.post("/api/auth/register", {**PERSON, "email": email}).data
    following = client.post("/api/auth/refresh", {"refreshToken": used["refreshToken"]}).data
    assert client.get("/api/auth/me", bearer=following["accessToken"]).status == 200
    assert client.post("/api/auth/refresh", {"refreshToken": used["refreshToken"]}).status == 401

    session, deadline = str(claims_of(used["accessToken"])["session_id"]), time.monotonic() + 10
    published: dict[str, Any] = {}
    while time.monotonic() < deadline:
        published = {
            event["type"]: event["data"] for event in events_of(server) if email in str(event) or session in str(event)
        }
        if "session.theft_suspected" in published:
            break
        time.sleep(0.1)

    assert published.keys() == {"account.created", "session.opened", "session.theft_suspected"}
