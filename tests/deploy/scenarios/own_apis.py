"""Calls every endpoint of the BotLaunch, SnapOTP and Atourin APIs."""

from tests.deploy.scenarios.world import (
    CODE,
    NEW_PASSWORD,
    OTHER_ADDRESS,
    PASSWORD,
    World,
    another_code,
    bearer,
    reset_token,
    reuse_refresh_token,
    sign_in_header,
    sign_in_in_every_way,
    sign_in_on_new_devices,
    success,
)


def botlaunch(world: World) -> None:
    api, mira = world.api, world.new_person()
    headers = {"x_organization_id": mira["organization"]["id"], "authorization": bearer(mira["accessToken"])}
    success(api.get("/api/organization", **headers))
    session = success(api.post("/api/auth/login", {"email": mira["email"], "password": PASSWORD}))["data"]
    assert api.authorize(**headers | {"authorization": bearer(session["accessToken"])})
    sign_in_in_every_way(world, "/api/auth/login", mira["email"])

    registration = {"email": mira["email"], "password": PASSWORD, "name": "Mira"}
    assert api.post("/api/auth/register", registration).status == 409

    reuse_refresh_token(world, lambda token: api.post("/api/auth/refresh", {"refresh_token": token}))
    guest = success(api.post("/auth/login_with_anonymous", {}))
    success(api.post("/api/auth/refresh", {"refreshToken": guest["data"]["refresh_token"]}))

    success(api.post("/api/auth/logout", {}, authorization=bearer(mira["accessToken"])))
    assert api.get("/api/organization", **headers).status == 401
    assert not api.authorize(**headers)


def own_sessions(world: World) -> None:
    """List sessions, end one and end all, in both APIs. Each call is the first with its token."""
    api, supabase = world.api, "/auth/v1/user/sessions"
    keys = world.publishable_key(), world.secret_key()
    for path, key in (("/api/auth/sessions", {}), *((supabase, {"apikey": each}) for each in keys)):
        mira = world.new_person()
        first = key | {"authorization": bearer(mira["accessToken"])}
        listed = success(api.get(path, **first))
        [own] = listed.get("data") or listed["sessions"]
        second = sign_in_header(world, mira["email"])
        success(api.delete(f"{path}/{own['id']}", **key, **second))
        assert api.get(path, **first).status == (403 if key else 401)
        success(api.post("/api/auth/logout-all", {}, **second))


def organizations(world: World) -> None:
    """Do everything that members may do. Each call is the first with its token."""
    api, mira = world.api, world.new_person()
    path, organization_id = "/api/organization", mira["organization"]["id"]

    def owner() -> dict[str, str]:
        return {"x_organization_id": organization_id, **sign_in_header(world, mira["email"])}

    def invite(email: str) -> str:
        success(api.post(f"{path}/invitations", {"email": email}, **owner()))
        return api.read_mail(email, r"\b([0-9A-Za-z]{66,})\b")

    success(api.get(path, **owner()))
    success(api.patch(path, {"name": "Acme"}, **owner()))
    guest, joe, kim = (api.new_email() for _ in range(3))
    invite(guest)
    invite(guest)  # replaces the first invitation
    [invitation] = success(api.get(f"{path}/invitations", **owner()))["data"]
    success(api.delete(f"{path}/invitations/{invitation['id']}", **owner()))

    accept, new = "/api/auth/invitations/accept", {"name": "Joe", "password": PASSWORD}
    member = success(api.post(accept, {"token": invite(joe), **new}))["data"]["user"]["id"]
    success(api.post("/api/auth/register", {"email": kim, **new}))
    token = {"token": invite(kim)}
    assert api.post(accept, {**token, **new}).status == 409
    success(api.post(accept, token, **sign_in_header(world, kim)))
    sign_in_on_new_devices(world, joe)
    assert len(success(api.get(f"{path}/members", **owner()))["data"]) == 3
    success(api.patch(f"{path}/members/{member}", {"role": "CLIENT_ADMIN"}, **owner()))
    success(api.delete(f"{path}/members/{member}", **owner()))

    success(api.post("/api/organizations", {"name": "Joe's"}, **sign_in_header(world, joe)))
    assert success(api.get("/api/organizations", **sign_in_header(world, joe)))["data"]
    success(api.delete(path, **owner()))


def snapotp(world: World) -> None:
    api, email = world.api, world.api.new_email()
    joan = {"username": "joan", "email": email, "password": PASSWORD, "name": "Joan"}
    token = success(api.post("/api/auth/register", joan))["data"]["token"]

    success(api.get("/api/auth/me", authorization=bearer(token)))
    success(api.post("/api/auth/login", {"username": "joan", "password": PASSWORD}))


def atourin(world: World) -> None:
    api, email = world.api, world.api.new_email()
    ketut = {"email": email, "password": PASSWORD, "name": "Ketut"}
    success(api.post("/auth/register", ketut))
    assert api.post("/auth/register", ketut | {"password": NEW_PASSWORD}).status == 409  # the account records this
    verification = api.read_mail(email, CODE)
    success(api.post("/auth/verify_otp", {"email": email, "otp": verification}))
    assert api.post("/auth/register", ketut).status == 409

    unverified = world.new_person()["email"]
    success(api.post("/auth/otp", {"email": unverified}))
    code = api.read_mail(unverified, CODE)
    assert success(api.post("/auth/verify_otp", {"email": unverified, "otp": code}))["data"]["password_removed"]
    api.deliver_invalid_job()

    success(api.post("/auth/otp", {"email": email}))
    code = api.read_mail(email, CODE)
    assert api.post("/auth/verify_otp", {"email": email, "otp": another_code(code)}).status == 400
    success(api.post("/auth/verify_otp", {"email": email, "otp": code}))

    sign_in_in_every_way(world, "/auth/verify_legacy_password", email)
    sign_in_in_every_way(world, "/auth/login_with_email_password", email)
    session = success(api.post("/auth/login_with_email_password", {"email": email, "password": PASSWORD}))
    success(api.get("/auth/logout", authorization=bearer(session["data"]["access_token"])))


def passwords(world: World) -> None:
    api, mira = world.api, world.new_person()
    credentials = {"email": mira["email"], "password": PASSWORD}
    token = bearer(success(api.post("/api/auth/login", credentials))["data"]["accessToken"])
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    world.exhaust_attempts(mira["email"])
    assert api.post("/api/auth/change-password", change, authorization=token, address=OTHER_ADDRESS).status == 429
    success(api.post("/api/auth/change-password", change, authorization=token))

    reset = reset_token(world, mira["email"])
    assert api.post("/api/auth/reset-password", {"token": f"{reset}x", "password": PASSWORD}).status == 400
    success(api.post("/api/auth/reset-password", {"token": reset, "password": PASSWORD}))
    world.exhaust_attempts(mira["email"])
    success(api.post("/api/auth/reset-password", {"token": reset, "password": PASSWORD}))
    api.deliver_mails()


def google_sign_in(world: World) -> None:
    api, person, mira = world.api, world.api.new_email(), world.new_person()
    for email, subject in (
        (person, "1001"),
        (person, "1001"),
        (mira["email"], "1002"),
    ):  # creates an account, signs in, links an account
        token = world.issuer.id_token({"email": email, "name": "Mira", "google_id": subject})
        success(api.post("/api/auth/google", {"id_token": token}))
    fields = {"email": api.new_email(), "name": "Made", "google_id": "1003"}
    success(api.post("/api/auth/google", fields, apikey=world.secret_key()))
