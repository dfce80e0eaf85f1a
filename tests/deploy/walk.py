"""A walk through everything: every route, and every branch that calls AWS in a way of its own."""

import json
import threading
import time
from base64 import b32decode, urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final, override
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import bcrypt
from gerbang.accounts import totp
from gerbang_local.google import LOCAL_CLIENT_ID, StandInIssuer
from gerbang_local.stack import ACCOUNT_ID, REGION
from moto.awslambda.models import LambdaBackend
from moto.secretsmanager.models import secretsmanager_backends

from tests.deploy.doors import Answer, Doors, Functions
from tests.deploy.resource_handlers import client
from tests.deploy.stacks import Stack

PASSWORD: Final = "Violet-tram-42"
ANOTHER: Final = "Amber-ferry-77"
ELSEWHERE: Final = "198.51.100.7"
ATTEMPTS: Final = 3

PARAMETERS: Final = {
    "ClaimsFailure": "without",
    "ClaimsFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:claims",
    "EventBusName": "default",
    "GoogleClientIds": LOCAL_CLIENT_ID,
    "LimitMailMinute": "1000/60",
    "LimitMailHour": "1000/3600",
    "LimitRegistration": "1000/3600",
    "LimitSignInAccount": f"{ATTEMPTS}/3600",
    "PasswordHashCost": "10",
    "RefreshGraceSeconds": "0",
    "SesConfigurationSet": "mail",
    "TokenAlgorithm": "ES256",
}
"""Of a stack that is walked through, beside `GoogleCertsUrl`: rare things are not rare there."""


@dataclass(frozen=True, slots=True)
class World:
    """What a walk needs."""

    stack: Stack
    doors: Doors
    issuer: StandInIssuer
    functions: Functions

    def person(self) -> Mapping[str, Any]:
        """Register somebody at BotLaunch; return the session, with the address."""
        email = self.doors.new_email()
        made = succeeded(self.doors.post("/api/auth/register", {"email": email, "password": PASSWORD, "name": "Mira"}))
        return {**made["data"], "email": email}

    def secret_key(self) -> str:
        """Return the API key of trusted back ends."""
        value = client("secretsmanager").get_secret_value(SecretId=self.stack.ids["SecretApiKey"])
        return str(value["SecretString"])

    def publishable_key(self) -> str:
        """Return the API key of clients."""
        return self.stack.outputs()["PublishableKey"]

    def inherit(self, email: str) -> None:
        """Have an account as an old system left it: with a hash that is to be renewed."""
        dynamodb, users = client("dynamodb"), self.stack.ids["Users"]
        marker = dynamodb.get_item(TableName=users, Key={"pk": {"S": f"EMAIL#{email}"}, "sk": {"S": "-"}})["Item"]
        dynamodb.update_item(
            TableName=users,
            Key={"pk": {"S": f"USER#{marker['user_id']['S']}"}, "sk": {"S": "ACCOUNT"}},
            UpdateExpression="SET password_hash = :inherited",
            ExpressionAttributeValues={
                ":inherited": {"S": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}
            },
        )

    def grow_old(self, access_token: str) -> None:
        """Have a session that began two days ago."""
        payload = access_token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        client("dynamodb").update_item(
            TableName=self.stack.ids["RefreshTokenFamilies"],
            Key={"pk": {"S": claims["sub"]}, "sk": {"S": claims["session_id"]}},
            UpdateExpression="SET created_at = created_at - :two_days",
            ExpressionAttributeValues={":two_days": {"N": str(2 * 86400)}},
        )

    def strangers_use_up_the_attempts_of(self, email: str) -> None:
        """Guess until the account's own limit is reached: whoever was there before is known and still let in."""
        for _ in range(ATTEMPTS):
            self.doors.post("/api/auth/login", {"email": email, "password": "wrong"}, address=ELSEWHERE)
        refused = self.doors.post("/api/auth/login", {"email": email, "password": PASSWORD}, address=ELSEWHERE)
        assert refused.status == 429


def everything(world: World) -> None:
    botlaunch(world)
    own_sessions(world)
    organizations(world)
    snapotp(world)
    atourin(world)
    gotrue(world)
    supabase_email_change(world)
    supabase_sign_up(world)
    supabase_tokens(world)
    supabase_codes(world)
    supabase_administrators(world)
    supabase_identities(world)
    supabase_links(world)
    supabase_administrators_links(world)
    second_factors(world)
    passwords(world)
    google(world)
    assert world.doors.get("/nowhere").status == 404
    succeeded(world.doors.get("/.well-known/jwks.json"))
    succeeded(world.doors.get("/openapi.json"))
    assert world.doors.get("/.well-known/openid-configuration").status == 404  # `PublicUrl` is not set
    rotation(world)
    events(world)


def proving_addresses(world: World) -> None:
    """Register where nobody signs in before their address is verified, and prove it."""
    mira = world.person()
    refused = world.doors.post("/api/auth/login", {"email": mira["email"], "password": PASSWORD})
    assert refused.status == 403
    code = world.doors.read_mail(mira["email"], r"\b([0-9]{6})\b")
    succeeded(world.doors.post("/auth/verify_otp", {"email": mira["email"], "otp": code}))


def registering_a_guest_at_once(world: World) -> None:
    """Give a guest an address where Supabase's clients need not verify it first."""
    guest = succeeded(world.doors.post("/auth/login_with_anonymous", {}))["data"]
    known = {"apikey": world.publishable_key(), "authorization": bearer(guest["access_token"])}
    shown = succeeded(world.doors.put("/auth/v1/user", {"email": world.doors.new_email()}, **known))
    assert shown["is_anonymous"] is False


def botlaunch(world: World) -> None:
    doors, mira = world.doors, world.person()
    at_organization = {"x_organization_id": mira["organization"]["id"], "authorization": bearer(mira["accessToken"])}
    succeeded(doors.get("/api/organization", **at_organization))
    again = succeeded(doors.post("/api/auth/login", {"email": mira["email"], "password": PASSWORD}))["data"]
    assert doors.authorize(**at_organization | {"authorization": bearer(again["accessToken"])})
    sign_in_everywhere(world, "/api/auth/login", mira["email"])

    again = {"email": mira["email"], "password": PASSWORD, "name": "Mira"}
    assert doors.post("/api/auth/register", again).status == 409

    theft(world, lambda token: doors.post("/api/auth/refresh", {"refresh_token": token}))
    guest = succeeded(doors.post("/auth/login_with_anonymous", {}))
    succeeded(doors.post("/api/auth/refresh", {"refreshToken": guest["data"]["refresh_token"]}))

    succeeded(doors.post("/api/auth/logout", {}, authorization=bearer(mira["accessToken"])))
    assert doors.get("/api/organization", **at_organization).status == 401
    assert not doors.authorize(**at_organization)


def own_sessions(world: World) -> None:
    """List sessions and end one, in both APIs, and all of them. Each call is the first one with its token."""
    doors, supabase = world.doors, "/auth/v1/user/sessions"
    keys = world.publishable_key(), world.secret_key()
    for path, key in (("/api/auth/sessions", {}), *((supabase, {"apikey": each}) for each in keys)):
        mira = world.person()
        first = key | {"authorization": bearer(mira["accessToken"])}
        listed = succeeded(doors.get(path, **first))
        [own] = listed.get("data") or listed["sessions"]
        fresh = signed_in(world, mira["email"])
        succeeded(doors.delete(f"{path}/{own['id']}", **key, **fresh))
        assert doors.get(path, **first).status == (403 if key else 401)
        succeeded(doors.post("/api/auth/logout-all", {}, **fresh))


def organizations(world: World) -> None:
    """Do everything that members may. Each call is the first one with its token, and is made by a function once."""
    doors, mira = world.doors, world.person()
    path, organization_id = "/api/organization", mira["organization"]["id"]

    def owner() -> dict[str, str]:
        return {"x_organization_id": organization_id, **signed_in(world, mira["email"])}

    def invited(email: str) -> str:
        succeeded(doors.post(f"{path}/invitations", {"email": email}, **owner()))
        return doors.read_mail(email, r"\b([0-9A-Za-z]{66,})\b")

    succeeded(doors.get(path, **owner()))
    succeeded(doors.patch(path, {"name": "Acme"}, **owner()))
    guest, joe, kim = (doors.new_email() for _ in range(3))
    invited(guest)
    invited(guest)  # which replaces the first one
    [invitation] = succeeded(doors.get(f"{path}/invitations", **owner()))["data"]
    succeeded(doors.delete(f"{path}/invitations/{invitation['id']}", **owner()))

    accept, new = "/api/auth/invitations/accept", {"name": "Joe", "password": PASSWORD}
    member = succeeded(doors.post(accept, {"token": invited(joe), **new}))["data"]["user"]["id"]
    succeeded(doors.post("/api/auth/register", {"email": kim, **new}))
    token = {"token": invited(kim)}
    assert doors.post(accept, {**token, **new}).status == 409
    succeeded(doors.post(accept, token, **signed_in(world, kim)))
    sign_in_on_new_devices(world, joe)
    assert len(succeeded(doors.get(f"{path}/members", **owner()))["data"]) == 3
    succeeded(doors.patch(f"{path}/members/{member}", {"role": "CLIENT_ADMIN"}, **owner()))
    succeeded(doors.delete(f"{path}/members/{member}", **owner()))

    succeeded(doors.post("/api/organizations", {"name": "Joe's"}, **signed_in(world, joe)))
    assert succeeded(doors.get("/api/organizations", **signed_in(world, joe)))["data"]
    succeeded(doors.delete(path, **owner()))


def sign_in_on_new_devices(world: World, email: str) -> None:
    """Sign in with a password, in places where a verified account was never used: its owner is told."""
    for number, path in enumerate(("api/auth/login", "auth/login_with_email_password", "auth/verify_legacy_password")):
        right = {"email": email, "password": PASSWORD}
        succeeded(world.doors.post(f"/{path}", right, address=f"10.{number}.0.1"))
        assert world.doors.read_mail(email, r"(10[.][0-9.]+)") == f"10.{number}.0.1"


def signed_in(world: World, email: str) -> dict[str, str]:
    """Sign somebody in; return the header of a session that was never used."""
    session = succeeded(world.doors.post("/api/auth/login", {"email": email, "password": PASSWORD}))["data"]
    return {"authorization": bearer(session["accessToken"])}


def snapotp(world: World) -> None:
    doors, email = world.doors, world.doors.new_email()
    joan = {"username": "joan", "email": email, "password": PASSWORD, "name": "Joan"}
    token = succeeded(doors.post("/api/auth/register", joan))["data"]["token"]

    succeeded(doors.get("/api/auth/me", authorization=bearer(token)))
    succeeded(doors.post("/api/auth/login", {"username": "joan", "password": PASSWORD}))


def atourin(world: World) -> None:
    doors, email = world.doors, world.doors.new_email()
    ketut = {"email": email, "password": PASSWORD, "name": "Ketut"}
    succeeded(doors.post("/auth/register", ketut))
    assert doors.post("/auth/register", ketut | {"password": ANOTHER}).status == 409  # which is noted on the account
    verification = doors.read_mail(email, r"\b([0-9]{6})\b")
    succeeded(doors.post("/auth/verify_otp", {"email": email, "otp": verification}))
    assert doors.post("/auth/register", ketut).status == 409

    unverified = world.person()["email"]
    succeeded(doors.post("/auth/otp", {"email": unverified}))
    code = doors.read_mail(unverified, r"\b([0-9]{6})\b")
    assert succeeded(doors.post("/auth/verify_otp", {"email": unverified, "otp": code}))["data"]["password_removed"]
    doors.deliver_what_is_no_job()

    succeeded(doors.post("/auth/otp", {"email": email}))
    code = doors.read_mail(email, r"\b([0-9]{6})\b")
    assert doors.post("/auth/verify_otp", {"email": email, "otp": wrong(code)}).status == 400
    succeeded(doors.post("/auth/verify_otp", {"email": email, "otp": code}))

    sign_in_everywhere(world, "/auth/verify_legacy_password", email)
    sign_in_everywhere(world, "/auth/login_with_email_password", email)
    session = succeeded(doors.post("/auth/login_with_email_password", {"email": email, "password": PASSWORD}))
    succeeded(doors.get("/auth/logout", authorization=bearer(session["data"]["access_token"])))


def gotrue(world: World) -> None:
    doors, trade = world.doors, "/auth/v1/token?grant_type=refresh_token"
    theft(world, lambda token: doors.post(trade, {"refresh_token": token}, apikey=world.publishable_key()))
    guest = succeeded(doors.post("/auth/login_with_anonymous", {}))
    token = {"refresh_token": guest["data"]["refresh_token"]}
    succeeded(doors.post(trade, token, apikey=world.secret_key()))
    user(world)


def user(world: World) -> None:
    """Show an account, change all of it, and sign out in every way."""
    doors, mira = world.doors, world.person()
    known = {"apikey": world.publishable_key(), "authorization": bearer(mira["accessToken"])}
    google = world.issuer.id_token({"email": mira["email"], "name": "Mira", "google_id": "1004"})
    verified = succeeded(doors.post("/api/auth/google", {"id_token": google}))["data"]["token"]
    known["authorization"] = bearer(verified)
    assert [each["provider"] for each in succeeded(doors.get("/auth/v1/user", **known))["identities"]] == ["google"]
    email = doors.new_email()
    asked = {"email": email, "password": ANOTHER, "data": {"nickname": "Mira"}}
    known["apikey"] = world.secret_key()
    shown = succeeded(doors.put("/auth/v1/user", asked, **known))
    assert shown["new_email"] == email
    doors.read_mail(email, r"\b([0-9]{6})\b")

    for scope in ("others", "local", "global"):
        right = {"email": mira["email"], "password": ANOTHER}
        session = succeeded(doors.post("/api/auth/login", right))["data"]["accessToken"]
        path = f"/auth/v1/logout?scope={scope}"
        assert doors.post(path, {}, **known | {"authorization": bearer(session)}).status == 204


def supabase_identities(world: World) -> None:
    """Link an identity to a verified account and to a guest's, unlink it in both ways, and ask for a code."""
    doors, link = world.doors, "/auth/v1/token?grant_type=id_token"

    def token(address: str, subject: str) -> Mapping[str, Any]:
        made = world.issuer.id_token({"email": address, "name": "Mira", "google_id": subject})
        return {"id_token": made, "provider": "google", "link_identity": True}

    for number, provider in enumerate(("google", "email")):
        known, asked = verified_user(world), token(doors.new_email(), f"300{number}")
        linked = succeeded(doors.post(link, asked, **known))
        doors.deliver()
        [identity_id] = [each["identity_id"] for each in linked["user"]["identities"] if each["provider"] == provider]
        for path in ("reauthenticate", f"user/identities/{identity_id}"):  # each is the first use of its session
            session = succeeded(doors.post(link, {**asked, "link_identity": False}, **known))["access_token"]
            call = doors.get if path == "reauthenticate" else doors.delete
            first = known | {"authorization": bearer(session)}
            succeeded(call(f"/auth/v1/{path}", **first | ({"apikey": world.secret_key()} if number else {})))
            doors.deliver()

    for address in (doors.new_email(), world.person()["email"]):
        guest = succeeded(doors.post("/auth/login_with_anonymous", {}))["data"]
        known = {"apikey": world.secret_key(), "authorization": bearer(guest["access_token"])}
        shown = succeeded(doors.post(link, token(address, f"31 {address}"), **known))
        assert shown["user"]["is_anonymous"] is False


def verified_user(world: World) -> dict[str, str]:
    """Return the credentials of an account with a password and a verified address."""
    doors, email = world.doors, world.doors.new_email()
    succeeded(doors.post("/auth/register", {"email": email, "password": PASSWORD, "name": "Mira"}))
    code = doors.read_mail(email, r"\b([0-9]{6})\b")
    session = succeeded(doors.post("/auth/verify_otp", {"email": email, "otp": code}))["data"]
    return {"apikey": world.publishable_key(), "authorization": bearer(session["access_token"])}


def changing_a_password_with_proofs(world: World) -> None:
    """Set a password where the present one is needed and, in an old session, a mailed code."""
    doors, mira = world.doors, world.person()
    email, digits = mira["email"], r"\b([0-9]{6})\b"
    succeeded(doors.post("/auth/verify_otp", {"email": email, "otp": doors.read_mail(email, digits)}))
    right = {"email": email, "password": PASSWORD}
    session = succeeded(doors.post("/api/auth/login", right))["data"]["accessToken"]
    world.grow_old(session)
    known = {"apikey": world.publishable_key(), "authorization": bearer(session)}
    succeeded(doors.get("/auth/v1/reauthenticate", **known))
    asked = {"password": ANOTHER, "current_password": PASSWORD, "nonce": doors.read_mail(email, digits)}
    assert doors.put("/auth/v1/user", asked | {"nonce": wrong(asked["nonce"])}, **known).status == 422
    assert doors.put("/auth/v1/user", asked | {"current_password": "wrong"}, **known).status == 400
    succeeded(doors.put("/auth/v1/user", asked | {"email": doors.new_email()}, **known))


def solving_captchas(world: World) -> None:
    """Send every request that needs a CAPTCHA."""
    doors, key = world.doors, world.publishable_key()
    asked = {"email": doors.new_email(), "password": PASSWORD, "type": "signup"}
    for path in ("signup", "otp", "recover", "resend", "token?grant_type=password"):
        assert doors.post(f"/auth/v1/{path}", asked, apikey=key).body["error_code"] == "captcha_failed"
        solved = asked | {"gotrue_meta_security": {"captcha_token": "good"}}
        assert doors.post(f"/auth/v1/{path}", solved, apikey=key).body.get("error_code") != "captcha_failed"
        by_a_back_end = doors.post(f"/auth/v1/{path}", asked, apikey=world.secret_key())
        assert by_a_back_end.body.get("error_code") != "captcha_failed"


def supabase_email_change(world: World) -> None:
    """Change a verified address, by the codes that are mailed to both; ask for them a second time."""
    doors, old, new = world.doors, world.person()["email"], world.doors.new_email()
    google = world.issuer.id_token({"email": old, "name": "Mira", "google_id": "1005"})
    session = succeeded(doors.post("/api/auth/google", {"id_token": google}))["data"]["token"]
    known = {"apikey": world.publishable_key()}
    succeeded(doors.put("/auth/v1/user", {"email": new}, **known, authorization=bearer(session)))
    doors.deliver()
    succeeded(doors.post("/auth/v1/resend", {"type": "email_change", "email": old}, **known))
    for email, answered in ((old, {"msg", "code"}), (new, {"access_token", "user"})):
        code = doors.read_mail(email, r"\b([0-9]{6})\b")
        confirmed = {"type": "email_change", "email": email, "token": code}
        assert answered <= succeeded(doors.post("/auth/v1/verify", confirmed, **known)).keys()


def supabase_sign_up(world: World) -> None:
    """Sign up: a new address, one that waits for its code, one that is verified, and as a guest."""
    doors, email, key = world.doors, world.doors.new_email(), world.publishable_key()
    succeeded(doors.get("/auth/v1/health"))
    for each in (key, world.secret_key()):
        succeeded(doors.get("/auth/v1/settings", apikey=each))

    asked = {"email": email, "password": PASSWORD, "data": {"name": "Mira"}}
    succeeded(doors.post("/auth/v1/signup", asked, apikey=key))
    doors.read_mail(email, r"\b([0-9]{6})\b")
    succeeded(doors.post("/auth/v1/signup", asked | {"password": ANOTHER}, apikey=key))
    code = doors.read_mail(email, r"\b([0-9]{6})\b")
    succeeded(doors.post("/auth/verify_otp", {"email": email, "otp": code}))
    succeeded(doors.post("/auth/v1/signup", asked, apikey=key))
    doors.deliver()
    succeeded(doors.post("/auth/v1/signup", {}, apikey=world.secret_key()))


def verified_email(world: World) -> str:
    """Return the address of a new person who has verified it, and whose password is PASSWORD."""
    doors, email = world.doors, str(world.person()["email"])
    doors.deliver()  # the registration's mail has a code, too
    succeeded(doors.post("/auth/otp", {"email": email}))
    succeeded(doors.post("/auth/verify_otp", {"email": email, "otp": doors.read_mail(email, r"\b([0-9]{6})\b")}))
    succeeded(doors.post("/api/auth/reset-password", {"token": reset_token(world, email), "password": PASSWORD}))
    return email


def supabase_tokens(world: World) -> None:
    """Trade passwords and ID tokens for sessions."""
    doors, key, email = world.doors, world.publishable_key(), verified_email(world)
    sign_in_everywhere(world, "/auth/v1/token?grant_type=password", email, apikey=key)

    trade, person = "/auth/v1/token?grant_type=id_token", doors.new_email()
    for address, subject in ((person, "2001"), (person, "2001"), (world.person()["email"], "2002")):  # as at google
        token = world.issuer.id_token({"email": address, "name": "Mira", "google_id": subject})
        succeeded(doors.post(trade, {"id_token": token, "provider": "google"}, apikey=key))


def supabase_codes(world: World) -> None:
    """Redeem codes: one that makes an account, one that recovers it, and one that removes a password."""
    doors, email, digits = world.doors, world.doors.new_email(), r"\b([0-9]{6})\b"
    for key in (world.publishable_key(), world.secret_key()):
        for path in ("otp", "recover"):
            succeeded(doors.post(f"/auth/v1/{path}", {"email": email}, apikey=key))
            shown = {"email": email, "token": doors.read_mail(email, digits), "type": "email"}
            succeeded(doors.post("/auth/v1/verify", shown, apikey=key))
            assert doors.post("/auth/v1/verify", shown, apikey=key).status == 403

    key, unverified = world.publishable_key(), world.person()["email"]
    for resending_key in (key, world.secret_key()):
        succeeded(doors.post("/auth/v1/resend", {"email": unverified, "type": "signup"}, apikey=resending_key))
    doors.read_mail(unverified, digits)
    succeeded(doors.post("/auth/v1/recover", {"email": unverified}, apikey=key))
    shown = {"email": unverified, "token": doors.read_mail(unverified, digits), "type": "recovery"}
    succeeded(doors.post("/auth/v1/verify", shown, apikey=key))
    doors.deliver()


def supabase_administrators(world: World) -> None:
    """List, find, create, show, change and delete users, a guest and a member of an organization among them."""
    doors, users, secret = world.doors, "/auth/v1/admin/users", world.secret_key()
    known = {"apikey": secret, "authorization": bearer(secret)}
    assert doors.get(users, **known | {"authorization": bearer(world.publishable_key())}).status == 403
    mira = world.person()
    google = world.issuer.id_token({"email": mira["email"], "name": "Mira", "google_id": "3001"})
    succeeded(doors.post("/api/auth/google", {"id_token": google}))
    made = succeeded(doors.post(users, {"email": doors.new_email(), "password": PASSWORD}, **known))
    for query in ("page=1&per_page=2", "page=2&per_page=2", "page=3&per_page=3", f"filter={mira['email']}"):
        assert succeeded(doors.get(f"{users}?{query}", **known))["users"]

    member = succeeded(doors.get(f"{users}?filter={mira['email']}", **known))["users"][0]["id"]
    succeeded(doors.get(f"{users}/{member}", **known))
    for user_id in (member, made["id"]):
        asked = {"email": doors.new_email(), "password": ANOTHER, "user_metadata": {"name": "Mira"}}
        assert succeeded(doors.put(f"{users}/{user_id}", asked, **known))["email"] == asked["email"]
        succeeded(doors.delete(f"{users}/{user_id}", **known))
        assert doors.get(f"{users}/{user_id}", **known).status == 404


def supabase_links(world: World) -> None:
    """Follow links: one that makes an account, one for a client that uses PKCE, and those of a change of address."""
    doors, email, key = world.doors, world.doors.new_email(), world.publishable_key()
    succeeded(doors.post("/auth/v1/otp", {"email": email}, apikey=key))
    session = followed(world, email)

    challenge = {"code_challenge": "v" * 43, "code_challenge_method": "plain"}
    succeeded(doors.post("/auth/v1/recover", {"email": email, **challenge}, apikey=key))
    code = dict(parse_qsl(urlsplit(doors.get(link_to(world, email)).location).query))["code"]
    exchange = {"auth_code": code, "code_verifier": "v" * 43}
    succeeded(doors.post("/auth/v1/token?grant_type=pkce", exchange, apikey=key))
    assert doors.post("/auth/v1/token?grant_type=pkce", exchange, apikey=key).status == 404

    known = {"apikey": key, "authorization": bearer(session["access_token"])}
    new = doors.new_email()
    succeeded(doors.put("/auth/v1/user", {"email": new}, **known))
    assert "message" in followed(world, email)
    assert "access_token" in followed(world, new)


def supabase_administrators_links(world: World) -> None:
    """Invite, and generate links: for an unknown address, for a known one, and for a change of address."""
    doors, email = world.doors, world.doors.new_email()
    known = {"apikey": world.secret_key(), "authorization": bearer(world.secret_key())}
    for _ in range(2):
        succeeded(doors.post("/auth/v1/invite", {"email": email}, **known))
        doors.deliver()
    assert "access_token" in followed(world, email)

    email = doors.new_email()
    for asked in (
        {"type": "magiclink"},
        {"type": "invite"},
        {"type": "email_change_new", "new_email": doors.new_email()},
    ):
        succeeded(doors.post("/auth/v1/admin/generate_link", {"email": email, **asked}, **known))


def second_factors(world: World) -> None:
    """Enrol an app, show its codes and recovery codes in every API, and remove it; with either key as `apikey`."""
    doors, email, factors = world.doors, verified_email(world), "/auth/v1/factors"
    right = {"email": email, "password": PASSWORD}
    token = succeeded(doors.post("/api/auth/login", right))["data"]["accessToken"]
    known = {"apikey": world.publishable_key(), "authorization": bearer(token)}
    made: Any = succeeded(doors.post(factors, {"factor_type": "totp", "friendly_name": "phone"}, **known))
    secret, of_factor = b32decode(made["totp"]["secret"]), f"{factors}/{made['id']}"

    def code(step: int) -> str:
        return totp.code_of(secret, int(time.time()) // totp.STEP_SECONDS + step)

    def verify(shown: str, **known: str) -> Answer:
        challenge = succeeded(doors.post(f"{of_factor}/challenge", {}, **known))
        return doors.post(f"{of_factor}/verify", {"challenge_id": challenge["id"], "code": shown}, **known)

    assert verify("000000", **known).status == 422
    strong = known | {"authorization": bearer(succeeded(verify(code(-1), **known))["access_token"])}
    codes = succeeded(doors.post(f"{factors}/recovery-codes", {}, **strong | {"apikey": world.secret_key()}))
    shown = iter(codes["recovery_codes"])

    session = dict[str, Any]()
    for path, field, then in (
        ("/api/auth/login", "mfaToken", "/api/auth/mfa/verify"),
        ("/auth/login_with_email_password", "mfa_token", "/auth/mfa/verify"),
    ):
        waits = doors.post(path, right)
        assert waits.status == 403
        waiting = {field: waits.body.get(field) or waits.body["data"][field]}
        assert doors.post(then, waiting | {"code": "000000"}).status == 400
        succeeded(doors.post(then, waiting | {"code": next(shown)}, user_agent=f"New device of {then}"))
        session = succeeded(doors.post(then, waiting | {"code": code(0 if "api" in then else 1)}))["data"]
    assert doors.authorize(authorization=bearer(session["access_token"]))

    google = world.issuer.id_token({"email": doors.new_email(), "name": "Mira", "google_id": "4001"})
    asked = {"id_token": google, "provider": "google"}
    first = succeeded(doors.post("/auth/v1/token?grant_type=id_token", asked, **known))["access_token"]
    fresh = known | {"authorization": bearer(first), "apikey": world.secret_key()}
    assert doors.post(f"{factors}/recovery-codes", {}, **fresh).status == 422
    made = succeeded(doors.post(factors, {"factor_type": "totp"}, **fresh))
    of_factor, secret = f"{factors}/{made['id']}", b32decode(made["totp"]["secret"])
    raised = succeeded(verify(code(0), **fresh))
    assert [each["status"] for each in raised["user"]["factors"]] == ["verified"]
    low, other = (
        succeeded(doors.post("/auth/v1/token?grant_type=id_token", asked, **known))["access_token"] for _ in range(2)
    )
    assert verify(code(1), **known | {"authorization": bearer(other)}).status == 200
    assert doors.get("/auth/v1/user", **known | {"authorization": bearer(low)}).status == 403  # it has ended
    succeeded(doors.delete(of_factor, **fresh | {"authorization": bearer(raised["access_token"])}))

    admin = {"apikey": world.secret_key(), "authorization": bearer(world.secret_key())}
    made = succeeded(doors.post(factors, {"factor_type": "totp"}, **fresh))
    of_user = f"/auth/v1/admin/users/{raised['user']['id']}/factors"
    listed: Any = succeeded(doors.get(of_user, **admin))
    assert [each["id"] for each in listed] == [made["id"]]
    of_factor, secret = f"{factors}/{made['id']}", b32decode(made["totp"]["secret"])
    succeeded(verify(code(0), **fresh))
    succeeded(doors.put(f"{of_user}/{made['id']}", {"friendly_name": "tablet"}, **admin))
    succeeded(doors.delete(f"{of_user}/{made['id']}", **admin))


def link_to(world: World, email: str) -> str:
    """Return the link of the newest mail to an address, without the API's address."""
    return world.doors.read_mail(email, r"(?m)^https://api(/\S+)$")


def followed(world: World, email: str) -> Mapping[str, str]:
    """Follow the link of the newest mail to an address; return what the app is told."""
    answer = world.doors.get(link_to(world, email))
    assert answer.status == 303, answer
    return dict(parse_qsl(urlsplit(answer.location).fragment))


def reset_token(world: World, email: str) -> str:
    """Return the token of a password reset that is asked for now."""
    succeeded(world.doors.post("/api/auth/forgot-password", {"email": email}))
    return world.doors.read_mail(email, r"(?m)^\s*([A-Za-z0-9_.-]{20,})\s*$")


def passwords(world: World) -> None:
    doors, mira = world.doors, world.person()
    right = {"email": mira["email"], "password": PASSWORD}
    token = bearer(succeeded(doors.post("/api/auth/login", right))["data"]["accessToken"])
    change = {"current_password": PASSWORD, "new_password": ANOTHER}
    world.strangers_use_up_the_attempts_of(mira["email"])
    assert doors.post("/api/auth/change-password", change, authorization=token, address=ELSEWHERE).status == 429
    succeeded(doors.post("/api/auth/change-password", change, authorization=token))

    reset = reset_token(world, mira["email"])
    assert doors.post("/api/auth/reset-password", {"token": f"{reset}x", "password": PASSWORD}).status == 400
    succeeded(doors.post("/api/auth/reset-password", {"token": reset, "password": PASSWORD}))
    world.strangers_use_up_the_attempts_of(mira["email"])
    succeeded(doors.post("/api/auth/reset-password", {"token": reset, "password": PASSWORD}))
    doors.deliver()


def google(world: World) -> None:
    doors, person, mira = world.doors, world.doors.new_email(), world.person()
    for email, subject in ((person, "1001"), (person, "1001"), (mira["email"], "1002")):  # made, known, linked
        token = world.issuer.id_token({"email": email, "name": "Mira", "google_id": subject})
        succeeded(doors.post("/api/auth/google", {"id_token": token}))
    fields = {"email": doors.new_email(), "name": "Made", "google_id": "1003"}
    succeeded(doors.post("/api/auth/google", fields, apikey=world.secret_key()))


def rotation(world: World) -> None:
    """Rotate the master secret as Secrets Manager does, in moto, whose word for the secret is its name.

    Its backend is called directly: a call through botocore would hold the lock that the function's own calls need.
    """
    secret, answers = world.stack.ids["MasterSecret"], []

    def invoke(_backend: LambdaBackend, _function: str, *, body: str, **_more: Any) -> None:
        answers.append(world.functions.invoke("RotationFunction", json.loads(body) | {"SecretId": secret}))

    with patch.object(LambdaBackend, "invoke", invoke):
        secretsmanager_backends[ACCOUNT_ID][REGION].rotate_secret(
            secret, rotation_lambda_arn=world.stack.function_arn("RotationFunction")
        )

    assert answers == [{}] * 4


def events(world: World) -> None:
    """Publish a change as a stream passes it on."""
    stream = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{world.stack.ids['Users']}/stream/1"
    changed = {
        "ApproximateCreationDateTime": 1774248000,
        "Keys": {"pk": {"S": "USER#1"}, "sk": {"S": "ACCOUNT"}},
        "SequenceNumber": "1",
    }
    record = {"eventID": "1", "eventName": "REMOVE", "eventSourceARN": stream, "dynamodb": changed}
    assert world.functions.invoke("EventsFunction", {"Records": [record]}) == {"batchItemFailures": []}


def sign_in_everywhere(world: World, path: str, email: str, **headers: str) -> None:
    """Sign in at a door with a password: with a hash to renew, wrongly, and from a known address past the limit."""
    doors, right = world.doors, {"email": email, "password": PASSWORD}
    world.inherit(email)
    succeeded(doors.post(path, right, **headers))
    assert doors.post(path, right | {"password": "wrong"}, **headers).status == 400
    world.strangers_use_up_the_attempts_of(email)
    succeeded(doors.post(path, right, **headers))


def theft(world: World, trade: Callable[[str], Answer]) -> None:
    """Trade a refresh token twice at a door, the second time after its successor was used: the session ends."""
    stolen = world.person()["refreshToken"]
    successor = succeeded(trade(stolen))
    session = successor.get("data", successor)
    token = session.get("token") or session["access_token"]
    succeeded(world.doors.get("/api/auth/me", authorization=bearer(token)))

    assert trade(stolen).status in {400, 401}
    assert world.doors.get("/api/auth/me", authorization=bearer(token)).status == 401


def succeeded(answer: Answer) -> Mapping[str, Any]:
    """Return the body of an answer that is as it should be."""
    assert answer.status in {200, 201}, answer
    return answer.body


def bearer(token: str) -> str:
    return f"Bearer {token}"


def wrong(code: str) -> str:
    """Return another code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


@contextmanager
def published(document: Mapping[str, Any]) -> Iterator[str]:
    """Serve a document on this machine until the block ends; yield its address."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Verify a CAPTCHA, whichever it is."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/certs"
        finally:
            server.shutdown()
            serving.join()
