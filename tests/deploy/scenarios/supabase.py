"""Calls every endpoint of the Supabase Auth API, except those of second factors."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.deploy.scenarios.world import (
    CODE,
    NEW_PASSWORD,
    PASSWORD,
    World,
    bearer,
    follow_link,
    link_to,
    reuse_refresh_token,
    sign_in_in_every_way,
    success,
    verified_email,
    verified_user,
)


def refresh_tokens(world: World) -> None:
    api, refresh = world.api, "/auth/v1/token?grant_type=refresh_token"
    reuse_refresh_token(
        world, lambda token: api.post(refresh, {"refresh_token": token}, apikey=world.publishable_key())
    )
    guest = success(api.post("/auth/login_with_anonymous", {}))
    token = {"refresh_token": guest["data"]["refresh_token"]}
    success(api.post(refresh, token, apikey=world.secret_key()))


def user(world: World) -> None:
    """Read and update an account, and sign out with every scope."""
    api, mira = world.api, world.new_person()
    headers = {"apikey": world.publishable_key(), "authorization": bearer(mira["accessToken"])}
    google = world.issuer.id_token({"email": mira["email"], "name": "Mira", "google_id": "1004"})
    verified = success(api.post("/api/auth/google", {"id_token": google}))["data"]["token"]
    headers["authorization"] = bearer(verified)
    assert [each["provider"] for each in success(api.get("/auth/v1/user", **headers))["identities"]] == ["google"]
    email = api.new_email()
    request = {"email": email, "password": NEW_PASSWORD, "data": {"nickname": "Mira"}}
    headers["apikey"] = world.secret_key()
    updated = success(api.put("/auth/v1/user", request, **headers))
    assert updated["new_email"] == email
    api.read_mail(email, CODE)

    for scope in ("others", "local", "global"):
        credentials = {"email": mira["email"], "password": NEW_PASSWORD}
        session = success(api.post("/api/auth/login", credentials))["data"]["accessToken"]
        path = f"/auth/v1/logout?scope={scope}"
        assert api.post(path, {}, **headers | {"authorization": bearer(session)}).status == 204


def identities(world: World) -> None:
    """Link identities to verified accounts and to guests, unlink them, and request reauthentication."""
    api, link = world.api, "/auth/v1/token?grant_type=id_token"

    def token(address: str, subject: str) -> Mapping[str, Any]:
        id_token = world.issuer.id_token({"email": address, "name": "Mira", "google_id": subject})
        return {"id_token": id_token, "provider": "google", "link_identity": True}

    for number, provider in enumerate(("google", "email")):
        headers, request = verified_user(world), token(api.new_email(), f"300{number}")
        linked = success(api.post(link, request, **headers))
        api.deliver_mails()
        [identity_id] = [each["identity_id"] for each in linked["user"]["identities"] if each["provider"] == provider]
        for path in ("reauthenticate", f"user/identities/{identity_id}"):  # each is the first use of its session
            session = success(api.post(link, {**request, "link_identity": False}, **headers))["access_token"]
            call = api.get if path == "reauthenticate" else api.delete
            first = headers | {"authorization": bearer(session)}
            success(call(f"/auth/v1/{path}", **first | ({"apikey": world.secret_key()} if number else {})))
            api.deliver_mails()

    for address in (api.new_email(), world.new_person()["email"]):
        guest = success(api.post("/auth/login_with_anonymous", {}))["data"]
        headers = {"apikey": world.secret_key(), "authorization": bearer(guest["access_token"])}
        upgraded = success(api.post(link, token(address, f"31 {address}"), **headers))
        assert upgraded["user"]["is_anonymous"] is False


def email_change(world: World) -> None:
    """Change a verified address with the codes that are mailed to both addresses, and request them twice."""
    api, old, new = world.api, world.new_person()["email"], world.api.new_email()
    google = world.issuer.id_token({"email": old, "name": "Mira", "google_id": "1005"})
    session = success(api.post("/api/auth/google", {"id_token": google}))["data"]["token"]
    headers = {"apikey": world.publishable_key()}
    success(api.put("/auth/v1/user", {"email": new}, **headers, authorization=bearer(session)))
    api.deliver_mails()
    success(api.post("/auth/v1/resend", {"type": "email_change", "email": old}, **headers))
    for email, expected_keys in ((old, {"msg", "code"}), (new, {"access_token", "user"})):
        code = api.read_mail(email, CODE)
        confirmed = {"type": "email_change", "email": email, "token": code}
        assert expected_keys <= success(api.post("/auth/v1/verify", confirmed, **headers)).keys()


def sign_up(world: World) -> None:
    """Sign up with a new address, with an unverified one, with a verified one, and as a guest."""
    api, email, key = world.api, world.api.new_email(), world.publishable_key()
    success(api.get("/auth/v1/health"))
    for each in (key, world.secret_key()):
        success(api.get("/auth/v1/settings", apikey=each))

    request = {"email": email, "password": PASSWORD, "data": {"name": "Mira"}}
    success(api.post("/auth/v1/signup", request, apikey=key))
    api.read_mail(email, CODE)
    success(api.post("/auth/v1/signup", request | {"password": NEW_PASSWORD}, apikey=key))
    code = api.read_mail(email, CODE)
    success(api.post("/auth/verify_otp", {"email": email, "otp": code}))
    success(api.post("/auth/v1/signup", request, apikey=key))
    api.deliver_mails()
    success(api.post("/auth/v1/signup", {}, apikey=world.secret_key()))


def password_and_id_tokens(world: World) -> None:
    """Sign in with passwords and with ID tokens."""
    api, key, email = world.api, world.publishable_key(), verified_email(world)
    sign_in_in_every_way(world, "/auth/v1/token?grant_type=password", email, apikey=key)

    path, person = "/auth/v1/token?grant_type=id_token", api.new_email()
    for address, subject in ((person, "2001"), (person, "2001"), (world.new_person()["email"], "2002")):
        token = world.issuer.id_token({"email": address, "name": "Mira", "google_id": subject})
        # Creates an account, signs in, links an account.
        success(api.post(path, {"id_token": token, "provider": "google"}, apikey=key))


def one_time_codes(world: World) -> None:
    """Redeem codes that create an account, recover it, and remove an unverified password."""
    api, email = world.api, world.api.new_email()
    for key in (world.publishable_key(), world.secret_key()):
        for path in ("otp", "recover"):
            success(api.post(f"/auth/v1/{path}", {"email": email}, apikey=key))
            verification = {"email": email, "token": api.read_mail(email, CODE), "type": "email"}
            success(api.post("/auth/v1/verify", verification, apikey=key))
            assert api.post("/auth/v1/verify", verification, apikey=key).status == 403

    key, unverified = world.publishable_key(), world.new_person()["email"]
    for resending_key in (key, world.secret_key()):
        success(api.post("/auth/v1/resend", {"email": unverified, "type": "signup"}, apikey=resending_key))
    api.read_mail(unverified, CODE)
    success(api.post("/auth/v1/recover", {"email": unverified}, apikey=key))
    verification = {"email": unverified, "token": api.read_mail(unverified, CODE), "type": "recovery"}
    success(api.post("/auth/v1/verify", verification, apikey=key))
    api.deliver_mails()


def administrators(world: World) -> None:
    """List, find, create, read, update and delete users."""
    api, users, secret = world.api, "/auth/v1/admin/users", world.secret_key()
    headers = {"apikey": secret, "authorization": bearer(secret)}
    assert api.get(users, **headers | {"authorization": bearer(world.publishable_key())}).status == 403
    mira = world.new_person()
    google = world.issuer.id_token({"email": mira["email"], "name": "Mira", "google_id": "3001"})
    success(api.post("/api/auth/google", {"id_token": google}))
    created = success(api.post(users, {"email": api.new_email(), "password": PASSWORD}, **headers))
    for query in ("page=1&per_page=2", "page=2&per_page=2", "page=3&per_page=3", f"filter={mira['email']}"):
        assert success(api.get(f"{users}?{query}", **headers))["users"]

    member = success(api.get(f"{users}?filter={mira['email']}", **headers))["users"][0]["id"]
    success(api.get(f"{users}/{member}", **headers))
    for user_id in (member, created["id"]):
        request = {"email": api.new_email(), "password": NEW_PASSWORD, "user_metadata": {"name": "Mira"}}
        assert success(api.put(f"{users}/{user_id}", request, **headers))["email"] == request["email"]
        success(api.delete(f"{users}/{user_id}", **headers))
        assert api.get(f"{users}/{user_id}", **headers).status == 404


def links(world: World) -> None:
    """Follow links of a sign-in, of a recovery with PKCE, and of a change of address."""
    api, email, key = world.api, world.api.new_email(), world.publishable_key()
    success(api.post("/auth/v1/otp", {"email": email}, apikey=key))
    session = follow_link(world, email)

    challenge = {"code_challenge": "v" * 43, "code_challenge_method": "plain"}
    success(api.post("/auth/v1/recover", {"email": email, **challenge}, apikey=key))
    code = dict(parse_qsl(urlsplit(api.get(link_to(world, email)).location).query))["code"]
    exchange = {"auth_code": code, "code_verifier": "v" * 43}
    success(api.post("/auth/v1/token?grant_type=pkce", exchange, apikey=key))
    assert api.post("/auth/v1/token?grant_type=pkce", exchange, apikey=key).status == 404

    headers = {"apikey": key, "authorization": bearer(session["access_token"])}
    new = api.new_email()
    success(api.put("/auth/v1/user", {"email": new}, **headers))
    assert "message" in follow_link(world, email)
    assert "access_token" in follow_link(world, new)


def administrators_links(world: World) -> None:
    """Invite users and generate links, for new and for existing accounts."""
    api, email = world.api, world.api.new_email()
    headers = {"apikey": world.secret_key(), "authorization": bearer(world.secret_key())}
    for _ in range(2):
        success(api.post("/auth/v1/invite", {"email": email}, **headers))
        api.deliver_mails()
    assert "access_token" in follow_link(world, email)

    email = api.new_email()
    for request in (
        {"type": "magiclink"},
        {"type": "invite"},
        {"type": "email_change_new", "new_email": api.new_email()},
    ):
        success(api.post("/auth/v1/admin/generate_link", {"email": email, **request}, **headers))
