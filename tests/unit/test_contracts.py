"""gerbang.apis: each client's envelope, on the same accounts and refusals."""

from collections.abc import Callable
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any, override

import pytest
from gerbang.accounts.authorization import Authorizer
from gerbang.accounts.google_sign_in import VerifiedIdentity
from gerbang.accounts.oidc import IdTokenVerifier, ProviderIdentity
from gerbang.accounts.organizations import NotAMember, Role
from gerbang.accounts.registration import EmailTaken, Registered
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis import atourin, authorizer, botlaunch, by_body, by_path, gotrue, refusals, snapotp
from gerbang.apis.client import client_of
from gerbang.apis.fields import cleaned_name, instant
from gerbang.core.emails import InvalidEmail
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.identifiers import botlaunch_id
from gerbang.http import edge
from gerbang.http.edge import FieldError, InvalidFields, Request
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.api_keys import ApiKeys
from gerbang.sessions.claims import InvalidToken, TokenExpired, TokenPair
from gerbang.sessions.sessions import Client, RefreshTokenReused, SessionEnded, SignedIn
from gerbang.storage.organizations import Organization
from gerbang.storage.users import Name, User
from hypothesis import example, given
from hypothesis import strategies as st

from tests.deployment import ALICE, PASSWORD, Deployment, by_email
from tests.fakes import RecordingLog
from tests.unit.mail_fakes import mailing

AT = datetime(2026, 3, 23, 6, 39, 34, 999_999, tzinfo=UTC)
USER_ID = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"

USER = User(
    user_id=USER_ID,
    name="John Doe",
    created_at=AT,
    updated_at=AT + timedelta(days=1),
    number=7,
    email="john@example.com",
    username="JohnDoe",
    password_hash="$bcrypt-sha256$secret",
    credit_balance=5000,
    organization_id="org_1",
    organization_role=Role.CLIENT_OWNER,
)
SESSION = SignedIn(
    user=USER,
    tokens=TokenPair(
        audience="authenticated",
        access_token="eyJ.access",
        refresh_token="eyJ.refresh",
        expires_at=datetime(2024, 1, 15, 8, 0, tzinfo=UTC),
        expires_in=timedelta(hours=1),
    ),
    family_id="family",
)


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    noted = RecordingLog()
    monkeypatch.setattr(refusals, "log", lambda: noted)
    return noted


def request(
    body: dict[str, Any] | None = None,
    *,
    path: str = "/",
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Request:
    return Request(
        method="POST",
        path=path,
        headers=headers or {},
        query=query or {},
        body=body or {},
        source_ip="192.0.2.1",
        authorizer={},
    )


INVALID = InvalidFields((FieldError("email", "Field required"), FieldError("name", "String too long")))


# Sessions, as the clients' documentation prints them


def test_botlaunchs_session() -> None:
    answer = botlaunch.signed_in(SESSION)

    assert answer.status == 200
    assert answer.body == {
        "data": {
            "accessToken": "eyJ.access",
            "refreshToken": "eyJ.refresh",
            "expiresIn": 3600,
            "user": {
                "id": botlaunch_id(USER_ID),
                "email": "john@example.com",
                "role": "CLIENT_OWNER",
                "name": "John Doe",
                "organizationId": "org_1",
            },
        },
        "message": "Login successful",
    }


def test_botlaunchs_other_answers() -> None:
    organization = Organization(organization_id="org_1", name="Acme", created_at=AT)
    made = botlaunch.registered(Registered(signed_in=SESSION, organization=organization))
    without = botlaunch.registered(Registered(signed_in=SESSION, organization=None))

    assert (made.status, made.body["message"]) == (201, "Registration successful")
    assert made.body["data"]["organization"] == {"id": "org_1", "name": "Acme"}
    assert "organization" not in without.body["data"]
    assert botlaunch.refreshed(SESSION).body["data"] == botlaunch.signed_in(SESSION).body["data"]
    assert botlaunch.signed_out().body == {"message": "Logout successful"}
    assert botlaunch.organization(organization, "CLIENT_OWNER").body["data"] == {
        "id": "org_1",
        "name": "Acme",
        "role": "CLIENT_OWNER",
        "createdAt": "2026-03-23T06:39:34Z",
    }


def test_botlaunchs_user_of_another_contract_has_a_role_and_no_organisation() -> None:
    user = replace(USER, organization_id=None, organization_role=None)

    shown = botlaunch.signed_in(replace(SESSION, user=user)).body["data"]["user"]

    assert shown["role"] == botlaunch.NO_ROLE
    assert "organizationId" not in shown


def test_snapotps_session() -> None:
    user = {
        "id": 7,
        "username": "JohnDoe",
        "name": "John Doe",
        "email": "john@example.com",
        "credit_balance": 5000,
        "role_id": 3,
    }

    assert snapotp.signed_in(SESSION).body == {
        "success": True,
        "data": {"token": "eyJ.access", "refresh_token": "eyJ.refresh", "expires_in": 3600, "user": user},
    }
    assert snapotp.registered(Registered(signed_in=SESSION, organization=None)).status == 201
    assert snapotp.user(USER).body == {"success": True, "data": user}


def test_atourins_session() -> None:
    answer = atourin.signed_in(SESSION, "Success verify and migrate legacy user")

    assert answer.body == {
        "status": True,
        "code": 200,
        "info": "Success verify and migrate legacy user",
        "msg": "Ok",
        "data": {
            "access_token": "eyJ.access",
            "token_type": "bearer",
            "expires_in": 3600,
            "expires_at": 1705305600,
            "refresh_token": "eyJ.refresh",
            "user": {"id": USER_ID, "email": "john@example.com", "user_metadata": {"name": "John Doe"}},
        },
    }


def test_atourins_registration_word_for_word() -> None:
    words = "Pendaftaran berhasil, silakan cek email untuk verifikasi"

    assert atourin.registered(USER).body == {
        "code": 200,
        "status": True,
        "msg": "Ok",
        "info": words,
        "data": {"id": USER_ID, "email": "john@example.com", "created_at": "2026-03-23T06:39:34Z", "info": words},
    }
    assert atourin.code_sent().body == {"info": "Success send OTP", "msg": "Ok"}
    assert atourin.signed_out().body == {"code": 200, "info": "Success logout user", "msg": "Ok", "status": True}


def test_gotrues_session_is_bare() -> None:
    answer = gotrue.signed_in(SESSION)

    assert answer.body == {
        "access_token": "eyJ.access",
        "token_type": "bearer",
        "expires_in": 3600,
        "expires_at": 1705305600,
        "refresh_token": "eyJ.refresh",
        "user": answer.body["user"],
    }
    assert (
        answer.body["user"].items()
        >= {
            "id": USER_ID,
            "aud": "authenticated",
            "role": "authenticated",
            "email": "john@example.com",
            "created_at": "2026-03-23T06:39:34Z",
            "updated_at": "2026-03-24T06:39:34Z",
        }.items()
    )
    assert answer.body["user"]["user_metadata"] == {"name": "John Doe"}


@pytest.mark.covers("130")
@pytest.mark.parametrize(
    "answer",
    [
        botlaunch.signed_in,
        snapotp.signed_in,
        gotrue.signed_in,
        lambda session: atourin.signed_in(session, "Success login"),
    ],
    ids=["botlaunch", "snapotp", "gotrue", "atourin"],
)
def test_only_listed_fields_leave(answer: Callable[[SignedIn], edge.Response]) -> None:
    """No hash, no counters, no state of the account."""
    session = replace(SESSION, user=replace(USER, google_subject="google-subject", epoch=3, disabled_at=AT))

    shown = repr(answer(session).body)

    for secret in ("bcrypt", "google-subject", "epoch", "disabled", "password"):
        assert secret not in shown


def test_instants_are_written_as_the_contracts_do() -> None:
    assert instant(AT) == "2026-03-23T06:39:34Z"


# Refusals, in each envelope


def test_botlaunchs_errors() -> None:
    refused = botlaunch.render(InvalidCredentials(None), request())
    invalid = botlaunch.render(INVALID, request())

    assert refused.body == {
        "statusCode": 400,
        "error": "Invalid Credentials",
        "message": "Invalid email or password",
    }
    assert (invalid.status, invalid.body["error"]) == (400, "Validation Error")
    assert invalid.body["details"] == [
        {"field": "email", "message": "Field required"},
        {"field": "name", "message": "String too long"},
    ]


def test_snapotps_errors() -> None:
    refused = snapotp.render(InvalidCredentials(None), request())
    invalid = snapotp.render(INVALID, request())

    assert refused.body == {"success": False, "message": "Invalid username or password"}
    assert invalid.body["errors"][0] == {"field": "email", "message": "Field required"}
    assert snapotp.render(EmailTaken(), request()).status == 409


def test_atourins_errors() -> None:
    refused = atourin.render(InvalidCredentials(None), request())
    invalid = atourin.render(INVALID, request())

    assert refused.body == {
        "status": False,
        "code": 400,
        "info": "Invalid email or password",
        "msg": "Bad Request",
    }
    assert invalid.body["info"] == "email: Field required; name: String too long"
    assert atourin.render(TokenExpired(), request()).body["msg"] == "Unauthorized"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidToken("x"), 400, "refresh_token_not_found"),
        (SessionEnded("family", "user"), 400, "refresh_token_not_found"),
        (RefreshTokenReused("family", "user"), 400, "refresh_token_already_used"),
        (gotrue.UnsupportedGrant(), 400, "validation_failed"),
        (edge.MalformedBody(), 400, "bad_json"),
        (TooManyAttempts("x", timedelta(seconds=3)), 429, "over_request_rate_limit"),
        (DependencyUnavailable("x"), 503, "request_timeout"),
        (RuntimeError("x"), 500, "unexpected_failure"),
    ],
    ids=repr,
)
def test_gotrues_errors(error: Exception, status: int, code: str) -> None:
    answer = gotrue.render(error, request())

    assert (answer.status, answer.body["code"], answer.body["error_code"]) == (status, status, code)
    assert answer.body.keys() == {"code", "error_code", "msg"}
    assert answer.headers["x-sb-error-code"] == code


@pytest.mark.parametrize("contract", [botlaunch, snapotp, atourin, gotrue, by_body, by_path])
@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (TooManyAttempts("x", timedelta(seconds=2)), 429, ("retry-after", "2")),
        (DependencyUnavailable("x"), 503, ("retry-after", "1")),
        (edge.MethodNotAllowed("POST"), 405, ("allow", "POST")),
        (edge.MissingBearer(), 401, ("www-authenticate", "Bearer")),
        (RuntimeError("a bug"), 500, None),
    ],
    ids=["429", "503", "405", "401", "500"],
)
def test_every_contract_answers_with_the_status_and_its_header(
    contract: Any, error: Exception, status: int, header: tuple[str, str] | None
) -> None:
    answer = contract.render(error, request())

    assert answer.status == status
    assert header is None or answer.headers[header[0]] == header[1]
    assert "a bug" not in repr(answer.body)


@pytest.mark.covers("27")
@pytest.mark.parametrize("contract", [botlaunch, snapotp, atourin, gotrue])
def test_unknown_wrong_and_disabled_read_the_same(contract: Any) -> None:
    """Whatever the refusal's evidence says."""
    answers = [contract.render(InvalidCredentials(evidence), request()) for evidence in (None, USER_ID, "x")]

    assert answers[0] == answers[1] == answers[2]


# Which contract a request speaks


@pytest.mark.parametrize(
    ("path", "body", "contract"),
    [
        ("/api/auth/login", {"email": "a@example.com", "password": "x"}, botlaunch),
        ("/api/auth/login", {"username": "a", "password": "x"}, snapotp),
        ("/api/auth/login", {"username": "a", "email": "a@example.com"}, snapotp),
        ("/api/auth/login", {"username": None}, snapotp),
        ("/api/auth/login", {}, botlaunch),
        ("/api/auth/register", {"username": "a"}, snapotp),
        ("/api/auth/register", {"refresh_token": "x"}, botlaunch),
        ("/api/auth/refresh", {"refresh_token": "x"}, snapotp),
        ("/api/auth/refresh", {"refreshToken": "x"}, botlaunch),
        ("/api/auth/refresh", {"refresh_token": "x", "refreshToken": "x"}, botlaunch),
        ("/api/auth/refresh", {"username": "a"}, botlaunch),
        ("/api/auth/refresh", {}, botlaunch),
    ],
    ids=str,
)
def test_the_body_says_which_contract_it_speaks_and_so_do_the_errors(
    path: str, body: dict[str, Any], contract: Any
) -> None:
    spoken = request(body, path=path)

    assert by_body.contract_of(spoken) is contract
    assert by_body.render(InvalidCredentials(None), spoken) == contract.render(InvalidCredentials(None), spoken)


CHOOSING = {
    "/api/auth/login": {"username"},
    "/api/auth/register": {"username"},
    "/api/auth/refresh": {"refresh_token", "refreshToken"},
}
"""At each path that serves two contracts, the members that may say which."""

BODIES: dict[tuple[str, Any], dict[str, Any]] = {
    ("/api/auth/login", botlaunch): {"email": "a@example.com", "password": "x"},
    ("/api/auth/login", snapotp): {"username": "alice", "password": "x"},
    ("/api/auth/register", botlaunch): {"email": "a@example.com", "password": "x", "name": "A"},
    ("/api/auth/register", snapotp): {"username": "alice", "email": "a@example.com", "password": "x", "name": "A"},
    ("/api/auth/refresh", botlaunch): {"refreshToken": "eyJ"},
    ("/api/auth/refresh", snapotp): {"refresh_token": "eyJ"},
}
"""What a client of each contract sends there."""


MEMBERS = [
    *("username", "email", "password", "name", "organizationName", "refreshToken", "refresh_token", "otp", "token"),
    *("id_token", "google_id", "current_password", "new_password", "apikey", "nothing"),
]
"""Members of the bodies of every contract, and one of none."""


@pytest.mark.parametrize(
    ("path", "contract", "member"),
    [(path, contract, member) for path, contract in BODIES for member in MEMBERS if member not in CHOOSING[path]],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize("value", ["x", None, 7, ["x"]], ids=repr)
def test_a_member_that_belongs_elsewhere_does_not_choose_the_contract(
    path: str, contract: Any, member: str, value: object
) -> None:
    """A field that a path does not know is ignored, so it changes nobody's envelope."""
    spoken = request({member: value, **BODIES[path, contract]}, path=path)

    assert by_body.contract_of(spoken) is contract


@pytest.mark.parametrize(
    ("path", "contract"),
    [
        ("/auth/v1/nothing", gotrue),
        ("/auth/v1", gotrue),
        ("/auth/v1x", atourin),
        ("/auth/nothing", atourin),
        ("/auth", atourin),
        ("/api/auth/nothing", botlaunch),
        ("/api/nothing", botlaunch),
        ("/", botlaunch),
        ("", botlaunch),
        ("/authentic", botlaunch),
    ],
)
def test_an_unknown_path_is_answered_in_the_contract_it_lies_under(path: str, contract: Any) -> None:
    answer = by_path.render(edge.NoSuchPath(), request(path=path))

    assert answer.status == 404
    assert answer == contract.render(edge.NoSuchPath(), request(path=path))


# Google's name for somebody: nobody checked it before, and it has to be one that we would have taken


class Vouching(IdTokenVerifier):
    """Takes any token for one about Ada, under the name that a test wants."""

    def __init__(self, name: str) -> None:
        self._name = name

    @override
    def verify(self, id_token: str, *, nonce: str | None = None) -> ProviderIdentity:
        return ProviderIdentity(
            subject="1234",
            email="ada@example.com",
            email_verified=True,
            name=self._name,
        )


class NoSecret:
    """A secret API key that nobody may need."""

    def current(self) -> str:
        raise AssertionError


def google_identity(vouched: str, /, **beside: str) -> VerifiedIdentity:
    """What a token with a name proves, and fields beside it."""
    keys = ApiKeys("publishable", NoSecret(), lambda: AT)
    return snapotp.google_identity(request({"id_token": "x.y.z", **beside}), Vouching(vouched), keys)


@pytest.mark.parametrize(
    ("vouched", "name"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("", ""),
        (" \t\n ", ""),
        ("\0\x1b\u2028", ""),
        ("  Ada Lovelace \u00a0", "Ada Lovelace"),
        ("\n Ada\r\n", "Ada"),
        ("Ada\0 Love\u2029lace", "Ada Lovelace"),
        ("\x1b[31mAda", "[31mAda"),
        ("x" * 200, "x" * 200),
        ("x" * 3000, "x" * 200),
        (" " * 3000 + "Ada", "Ada"),
        ("\0x" * 1500, "x" * 200),
        ("\x85\U0001f469" * 1500, "\U0001f469" * 200),
    ],
    ids=lambda text: ascii(text[:20]) + str(len(text)),
)
def test_googles_name_is_made_one_that_would_have_been_taken(vouched: str, name: str) -> None:
    assert google_identity(vouched) == VerifiedIdentity(subject="1234", email="ada@example.com", name=name)


@pytest.mark.parametrize("vouched", ["", " ", "\0", "\u2028" * 3000], ids=lambda text: ascii(text[:9]))
def test_where_google_vouches_for_no_name_the_one_beside_the_token_is_taken(vouched: str) -> None:
    assert google_identity(vouched, name=" Ada ").name == "Ada"


@pytest.mark.parametrize(
    ("vouched", "beside"),
    [
        ("Ada", "Ada"),
        ("  Ada ", "Ada"),
        ("Ada", "  Ada "),
        ("A\0da\n", "Ada"),
        ("x" * 3000, "x" * 200),
        ("x\0" * 1500, " " + "x" * 200),
    ],
    ids=lambda text: ascii(text[:20]) + str(len(text)),
)
def test_a_name_beside_the_token_agrees_however_it_is_padded(vouched: str, beside: str) -> None:
    assert google_identity(vouched, name=beside).name == beside.strip()


@pytest.mark.parametrize("beside", ["Eve", "ada", "Ad", "Ada Lovelace", "x" * 200], ids=lambda text: text[:20])
def test_another_name_beside_the_token_is_refused(beside: str) -> None:
    with pytest.raises(snapotp.IdentityMismatch):
        google_identity("Ada", name=beside)


@pytest.mark.parametrize(
    "beside", ["", " ", "x" * 201, "x" * 3000, "Ada\0", "A\nda"], ids=lambda text: ascii(text[:9]) + str(len(text))
)
def test_what_is_no_name_beside_the_token_is_refused_whatever_google_says(beside: str) -> None:
    with pytest.raises(InvalidFields) as refusal:
        google_identity(beside, name=beside)

    assert [error.field for error in refusal.value.errors] == ["name"]


@given(st.text(max_size=250))
@example("\x1c \u2029x")
@example("x" * 199 + " y")
def test_whatever_google_calls_somebody_their_name_can_be_typed_again(vouched: str) -> None:
    name = cleaned_name(vouched)

    if name:
        body = {"email": "a@example.com", "password": "x", "name": name}
        assert atourin.new_account(request(body)).name == name.strip()


# What a request shows


def test_credentials_are_read_and_addresses_brought_to_their_form() -> None:
    by_address = {"email": "  JOHN@Example.com ", "password": " kept as typed "}

    for read in (botlaunch.credentials, atourin.credentials):
        shown = read(request(by_address))
        assert (shown.name, shown.value, shown.password) == (Name.EMAIL, "john@example.com", " kept as typed ")


def test_snapotp_takes_a_user_name_or_an_address() -> None:
    by_name = snapotp.credentials(request({"username": "JohnDoe", "password": "x"}))
    by_address = snapotp.credentials(request({"username": "JOHN@example.com", "password": "x"}))

    assert (by_name.name, by_name.value) == (Name.USERNAME, "johndoe")
    assert (by_address.name, by_address.value) == (Name.EMAIL, "john@example.com")


@pytest.mark.parametrize("username", ["ab", "x" * 31, "a b", "a/b", "é", "USER#1", "a\n", "x" * 100_000])
def test_what_is_no_user_name_is_nobodys(username: str) -> None:
    with pytest.raises(InvalidCredentials):
        snapotp.credentials(request({"username": username, "password": "x"}))


@pytest.mark.parametrize("username", ["abc", "x" * 30, "A.b_c-9", "..."])
def test_a_user_name_is_registered_as_typed(username: str) -> None:
    body = {"username": username, "email": "a@example.com", "password": "x", "name": "A"}

    assert snapotp.new_account(request(body)).username == username


@pytest.mark.parametrize("username", ["ab", "x" * 31, "a b", "a@b.co", "é", "", "abc\n"])
def test_what_is_no_user_name_cannot_be_registered(username: str) -> None:
    body = {"username": username, "email": "a@example.com", "password": "x", "name": "A"}

    with pytest.raises(InvalidFields):
        snapotp.new_account(request(body))


def test_botlaunchs_registrant_founds_an_organisation_named_after_them_unless_they_name_it() -> None:
    body = {"email": "A@example.com", "password": "x", "name": " Alice "}

    assert botlaunch.new_account(request(body)).founds == "Alice"
    assert botlaunch.new_account(request({**body, "organizationName": "Acme"})).founds == "Acme"
    assert snapotp.new_account(request({**body, "username": "alice"})).founds is None
    assert atourin.new_account(request(body)).founds is None


@pytest.mark.parametrize("name", ["", " ", "\t\n", "x" * 201, "a\0b", "a\nb", "a\u2028b", "a\x1b[31m", 7, None, ["a"]])
def test_a_name_is_one_to_two_hundred_printable_characters(name: object) -> None:
    for contract in (botlaunch, atourin):
        with pytest.raises(InvalidFields):
            contract.new_account(request({"email": "a@example.com", "password": "x", "name": name}))


@pytest.mark.parametrize(
    "name", ["A", "x" * 200, "Zoë Ångström", "O'Brien <b>", "\U0001f469\u200d\U0001f680", "  trimmed "]
)
def test_any_other_name_is_taken(name: str) -> None:
    new = botlaunch.new_account(request({"email": "a@example.com", "password": "x", "name": name}))

    assert new.name == name.strip()


@pytest.mark.covers("131")
@pytest.mark.parametrize(
    "name", ["role", "role_id", "is_admin", "credit_balance", "email_verified_at", "user_id", "epoch"]
)
def test_only_listed_fields_enter(name: str) -> None:
    """Mass assignment."""
    body = {"email": "a@example.com", "password": "x", "name": "A", name: 1}

    assert botlaunch.new_account(request(body)) == botlaunch.new_account(
        request({key: value for key, value in body.items() if key != name})
    )


def test_an_address_that_is_none_is_refused_at_every_door() -> None:
    for read in (botlaunch.credentials, atourin.credentials):
        with pytest.raises(InvalidEmail):
            read(request({"email": "nobody", "password": "x"}))


@pytest.mark.covers("90")
@pytest.mark.parametrize("grant", [None, "password", "authorization_code", "Refresh_Token", ""])
def test_gotrue_trades_refresh_tokens_and_nothing_else(grant: str | None) -> None:
    query = {} if grant is None else {"grant_type": grant}

    with pytest.raises(gotrue.UnsupportedGrant):
        gotrue.refresh_token_of(request({"refresh_token": "x"}, query=query))


@pytest.mark.parametrize(
    ("contract", "field", "text", "message"),
    [
        (snapotp, "username", "j d", "Must be 3 to 30 of the letters a to z, digits, _, . and -"),
        (snapotp, "username", "jd\n", "Must be 3 to 30 of the letters a to z, digits, _, . and -"),
        (snapotp, "name", "J\nD", "Must not contain control characters"),
        (botlaunch, "organizationName", "A\0B", "Must not contain control characters"),
        (atourin, "name", "J\u2028D", "Must not contain control characters"),
    ],
)
def test_what_a_field_must_be_is_said_to_people(contract: Any, field: str, text: str, message: str) -> None:
    asked = {"username": "johndoe", "email": "john@example.com", "password": PASSWORD, "name": "John Doe", field: text}

    with pytest.raises(InvalidFields) as caught:
        contract.new_account(request(asked))

    assert caught.value.errors == (FieldError(field, message),)


def test_refresh_tokens_are_read_by_each_contracts_name_for_them() -> None:
    assert botlaunch.refresh_token_of(request({"refreshToken": "x"})) == "x"
    assert snapotp.refresh_token_of(request({"refresh_token": "x"})) == "x"
    assert gotrue.refresh_token_of(request({"refresh_token": "x"}, query={"grant_type": "refresh_token"})) == "x"


def test_the_client_is_whom_the_gateway_saw() -> None:
    headers = {"user-agent": "curl/8", "x-forwarded-for": "203.0.113.9"}

    assert client_of(request(headers=headers)) == Client(address="192.0.2.1", device="curl/8")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:0201", "192.0.2.1"),
        ("::192.0.2.1", "::/64"),
        ("", ""),
        ("test:invoke", "test:invoke"),
    ],
)
def test_of_an_ipv6_address_the_network_is_counted(address: str, network: str) -> None:
    """Whoever has one IPv6 address has 2^64 of them (RFC 6177)."""
    assert client_of(replace(request(), source_ip=address)).address == network


def guesses_until_refused(deployment: Deployment, addresses: list[str]) -> int:
    """How many wrong passwords of one account are looked at, each from the next address."""
    for looked_at, address in enumerate(addresses):
        try:
            deployment.sign_in.sign_in(by_email(password="a guess"), client_of(replace(request(), source_ip=address)))
        except InvalidCredentials:
            continue
        except TooManyAttempts:
            return looked_at
    return len(addresses)


def test_neighbours_in_an_ipv6_network_share_a_count(deployment_in_memory: Deployment) -> None:
    """RFC 6177: otherwise whoever has a network has 2^64 times ten guesses."""
    deployment_in_memory.register(ALICE)
    neighbours = [f"2001:db8:1:2:{number:x}::{number:x}" for number in range(1, 13)]

    assert guesses_until_refused(deployment_in_memory, neighbours) == 10
    assert guesses_until_refused(deployment_in_memory, ["2001:db8:1:2::ffff"]) == 0


def test_ipv6_networks_side_by_side_are_counted_apart(deployment_in_memory: Deployment) -> None:
    deployment_in_memory.register(ALICE)
    networks = [f"2001:db8:1:{number:x}::1" for number in range(1, 13)]

    assert guesses_until_refused(deployment_in_memory, networks) == 12


def test_neighbours_in_an_ipv4_network_are_counted_apart(deployment_in_memory: Deployment) -> None:
    deployment_in_memory.register(ALICE)
    neighbours = [f"198.51.100.{number}" for number in range(1, 13)]

    assert guesses_until_refused(deployment_in_memory, neighbours) == 12
    assert guesses_until_refused(deployment_in_memory, ["198.51.100.1"] * 10) == 9


@pytest.mark.parametrize("ask", ["request_code", "request_reset"])
def test_mail_is_counted_by_network_too(deployment_in_memory: Deployment, ask: str) -> None:
    mail_service = mailing(deployment_in_memory).mail_service

    def asked_from(number: int) -> None:
        client = client_of(replace(request(), source_ip=f"2001:db8::{number:x}"))
        getattr(mail_service, ask)(f"somebody-{number}@example.com", None, client.address)

    for number in range(30):
        asked_from(number)
    with pytest.raises(TooManyAttempts):
        asked_from(30)


# API Gateway's authorizer


def authorizer_event(token: str | None, organization: str | None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "X-Organization-Id": organization}
    return {
        "version": "2.0",
        "rawPath": "/api/organization",
        "headers": {name: value for name, value in headers.items() if value is not None and "None" not in value},
        "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}},
    }


def test_the_authorizer_hands_on_who_calls_and_as_what(deployment_in_memory: Deployment) -> None:
    user = deployment_in_memory.register(ALICE)
    session = deployment_in_memory.sessions.open(user, Client(address="192.0.2.1"), "password")
    handler = authorizer.handler(deployment_in_memory.authorizer)

    answer = handler(authorizer_event(session.tokens.access_token, user.organization_id), None)

    assert answer == {
        "isAuthorized": True,
        "context": {
            "sub": user.user_id,
            "userId": botlaunch_id(user.user_id),
            "emailVerified": False,
            "sessionId": session.family_id,
            "organizationId": user.organization_id,
            "role": "CLIENT_OWNER",
        },
    }


def test_the_authorizers_401_is_an_exception_and_its_403_an_answer(deployment_in_memory: Deployment) -> None:
    user = deployment_in_memory.register(ALICE)
    session = deployment_in_memory.sessions.open(user, Client(address="192.0.2.1"), "password")
    handler = authorizer.handler(deployment_in_memory.authorizer)

    for token in (None, "garbage", session.tokens.refresh_token):
        with pytest.raises(authorizer.Unauthorized, match=r"^Unauthorized$"):
            handler(authorizer_event(token, user.organization_id), None)
    for organization in (None, "org_nothing", "org_1/../2", "x" * 3000):
        answer = handler(authorizer_event(session.tokens.access_token, organization), None)
        assert answer == {"isAuthorized": False}


@pytest.mark.parametrize("failure", [DependencyUnavailable("x"), RuntimeError("a bug")], ids=repr)
def test_an_authorizer_that_fails_lets_nobody_in(
    failure: Exception, log: RecordingLog, deployment_in_memory: Deployment
) -> None:
    class Failing(Authorizer):
        def authorize(self, access_token: str, organization_id: str | None) -> Any:  # type: ignore[explicit-override]
            del access_token, organization_id
            raise failure

    broken = Failing(deployment_in_memory.sessions, deployment_in_memory.organizations)

    with pytest.raises(type(failure)):
        authorizer.handler(broken)(authorizer_event("token", "org_1"), None)
    assert len(log.notes) == 1


@pytest.mark.covers("128")
def test_an_unknown_organisation_and_anothers_are_one_refusal() -> None:
    assert botlaunch.render(NotAMember("org_1"), request()) == botlaunch.render(NotAMember("malformed"), request())
