from tests.clients.gerbang import OTHER_PASSWORD, PASSWORD, Gerbang, fails, user_of, verify


def test_a_forgotten_password_is_replaced_with_the_mailed_code(gerbang: Gerbang) -> None:
    owner, client = gerbang.sign_up(), gerbang.new_client()
    address = owner.inbox.address
    events: list[str] = []
    client.on_auth_state_change(lambda event, _session: events.append(event))

    client.reset_password_for_email(address, {"redirect_to": "https://app.example/reset"})
    verify(client, owner.inbox, "recovery")
    client.update_user({"password": OTHER_PASSWORD})

    assert "PASSWORD_RECOVERY" in events
    assert user_of(gerbang.sign_in(address, OTHER_PASSWORD).get_user()).id == owner.id
    with fails(400, "invalid_credentials"):
        gerbang.sign_in(address, PASSWORD)


def test_reset_password_for_email_mails_nothing_to_an_unknown_address_and_succeeds(gerbang: Gerbang) -> None:
    inbox = gerbang.new_inbox()

    gerbang.new_client().reset_password_for_email(inbox.address)

    gerbang.wait_for_all_mail()
    assert inbox.codes() == []


def test_the_code_of_a_sign_up_is_mailed_again_and_replaces_the_first(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    client.sign_up({"email": inbox.address, "password": PASSWORD})
    first = inbox.next_code()

    client.resend({"type": "signup", "email": inbox.address})

    second = inbox.next_code()
    assert second != first
    with fails(403, "otp_expired"):
        client.verify_otp({"email": inbox.address, "token": first, "type": "signup"})
    client.verify_otp({"email": inbox.address, "token": second, "type": "signup"})


def test_the_codes_of_an_email_change_are_mailed_again(gerbang: Gerbang) -> None:
    owner, new_inbox = gerbang.sign_up(), gerbang.new_inbox()
    owner.client.update_user({"email": new_inbox.address})
    owner.inbox.next_code()
    new_inbox.next_code()

    owner.client.resend({"type": "email_change", "email": owner.inbox.address})

    verify(owner.client, owner.inbox, "email_change")
    user = user_of(verify(owner.client, new_inbox, "email_change"))
    assert (user.id, user.email) == (owner.id, new_inbox.address)


def test_resend_succeeds_if_there_is_nothing_to_mail_again(gerbang: Gerbang) -> None:
    owner, unknown, client = gerbang.sign_up(), gerbang.new_inbox(), gerbang.new_client()

    client.resend({"type": "signup", "email": owner.inbox.address})
    client.resend({"type": "email_change", "email": owner.inbox.address})
    client.resend({"type": "signup", "email": unknown.address})

    gerbang.wait_for_all_mail()
    assert len(owner.inbox.codes()) == 1, "the one of the sign-up"
    assert unknown.codes() == []
