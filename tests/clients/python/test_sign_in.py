from tests.clients.gerbang import OTHER_PASSWORD, PASSWORD, Gerbang, fails, method_of, session_of, verify


def test_the_right_password_signs_in(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    client = gerbang.new_client()

    session = session_of(client.sign_in_with_password({"email": owner.inbox.address, "password": PASSWORD}))

    assert session.user.id == owner.id
    assert session.user.last_sign_in_at is not None
    assert session.token_type == "bearer"
    assert session.expires_in == 3600
    assert method_of(client) == "password"


def test_a_wrong_password_and_an_unknown_address_are_the_same_error(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    with fails(400, "invalid_credentials") as wrong:
        gerbang.sign_in(owner.inbox.address, OTHER_PASSWORD)
    with fails(400, "invalid_credentials") as unknown:
        gerbang.sign_in(gerbang.new_inbox().address)

    assert "Invalid login credentials" in wrong.value.message
    assert unknown.value.message == wrong.value.message


def test_an_account_without_a_password_cannot_sign_in_with_one(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    client.sign_in_with_otp({"email": inbox.address})
    verify(client, inbox, "email")

    with fails(400, "invalid_credentials"):
        gerbang.sign_in(inbox.address)


def test_before_the_address_is_confirmed_only_the_right_password_is_email_not_confirmed(gerbang: Gerbang) -> None:
    address = gerbang.new_inbox().address
    gerbang.new_client().sign_up({"email": address, "password": PASSWORD})

    with fails(400, "email_not_confirmed") as caught:
        gerbang.sign_in(address)
    assert "Email not confirmed" in caught.value.message
    with fails(400, "invalid_credentials"):
        gerbang.sign_in(address, OTHER_PASSWORD)
