"""One account and one session through all four APIs."""

from tests.clients.gerbang import PASSWORD, Gerbang, session_of, user_of


def test_an_account_of_sign_up_signs_in_through_the_other_apis(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    address, client = owner.inbox.address, gerbang.new_client()

    botlaunch = gerbang.post("/api/auth/login", {"email": address, "password": PASSWORD})["data"]
    snapotp = gerbang.post("/api/auth/login", {"username": address, "password": PASSWORD})["data"]
    atourin = gerbang.post("/auth/login_with_email_password", {"email": address, "password": PASSWORD})["data"]

    assert atourin["user"]["id"] == owner.id
    for token in (botlaunch["accessToken"], snapotp["token"], atourin["access_token"]):
        assert gerbang.get("/api/auth/me", bearer=token)["data"]["email"] == address
        assert user_of(client.get_user(token)).id == owner.id


def test_a_client_can_continue_a_session_of_botlaunch(gerbang: Gerbang) -> None:
    owner, client = gerbang.sign_up(), gerbang.new_client()
    session = gerbang.post("/api/auth/login", {"email": owner.inbox.address, "password": PASSWORD})["data"]

    client.set_session(session["accessToken"], session["refreshToken"])
    client.refresh_session()

    assert user_of(client.get_user()).id == owner.id


def test_a_client_can_continue_a_guest_session_of_atourin(gerbang: Gerbang) -> None:
    client, guest = gerbang.new_client(), gerbang.post("/auth/login_with_anonymous", {})["data"]

    client.set_session(guest["access_token"], guest["refresh_token"])
    user = session_of(client.refresh_session()).user

    assert user.id == guest["user"]["id"]
    assert user.is_anonymous
