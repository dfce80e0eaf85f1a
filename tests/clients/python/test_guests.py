from tests.clients.gerbang import PASSWORD, Gerbang, fails, method_of, user_of, verify


def test_a_guest_is_signed_in_without_an_address(gerbang: Gerbang) -> None:
    client = gerbang.new_client()

    guest = user_of(client.sign_in_anonymously({"options": {"data": {"theme": "dark"}}}))

    assert guest.is_anonymous
    assert (guest.email, guest.phone) == ("", "")
    assert guest.identities == []
    assert guest.app_metadata == {}
    assert guest.user_metadata["theme"] == "dark"
    assert method_of(client) == "anonymous"


def test_a_guest_who_confirms_an_address_and_sets_a_password_is_permanent_under_the_same_id(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    guest = user_of(client.sign_in_anonymously())

    changing = user_of(client.update_user({"email": inbox.address}))
    assert changing.new_email == inbox.address
    assert changing.is_anonymous

    user = user_of(verify(client, inbox, "email_change"))
    assert user.id == guest.id
    assert user.email == inbox.address
    assert not user.is_anonymous
    assert [identity.provider for identity in user.identities or []] == ["email"]

    client.update_user({"password": PASSWORD})
    assert user_of(gerbang.sign_in(inbox.address).get_user()).id == guest.id


def test_a_guest_without_an_address_cannot_set_a_password(gerbang: Gerbang) -> None:
    client = gerbang.new_client()
    client.sign_in_anonymously()

    with fails(422, "validation_failed"):
        client.update_user({"password": PASSWORD})


def test_a_guest_cannot_take_the_address_of_an_account(gerbang: Gerbang) -> None:
    owner, client = gerbang.sign_up(), gerbang.new_client()
    client.sign_in_anonymously()

    with fails(422, "email_exists"):
        client.update_user({"email": owner.inbox.address})
