"""One-time codes as Supabase's clients request and redeem them."""

import pytest
from gerbang.mail.jobs import MailKind

from tests.wire.gotrue import new_user, other_code, post, request_mail, verify
from tests.wire.shapes import claims_of, gotrue_error
from tests.wire.world import OTHER_PASSWORD, PASSWORD, World

# Sign-up and sign-in


@pytest.mark.parametrize("kind", ["email", "signup"])
def test_redeeming_a_code_creates_the_account(world: World, kind: str) -> None:
    email = world.email()
    request_mail(world, "otp", email.upper(), data={"full_name": "Mira", "plan": "pro", "none": None}, create_user=True)
    mail = world.mail(email)
    assert mail.subject == "Confirm your email address for Gerbang"
    assert world.item("Users", pk=f"EMAIL#{email}", sk="-") is None

    answer = verify(world, email, mail.code, kind)

    assert answer.status == 200
    user = answer.json["user"]
    assert user["email"] == email
    assert user["user_metadata"] == {"name": "Mira", "full_name": "Mira", "plan": "pro", "email_verified": True}
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert user["email_confirmed_at"] == user["confirmed_at"] == user["created_at"]
    claims = claims_of(answer.json["access_token"])
    assert claims["amr"][0]["method"] == "otp"
    assert claims["role"] == "authenticated"
    assert world.me(answer.json["access_token"]).json["data"]["name"] == "Mira"
    assert verify(world, email, mail.code, kind).json == gotrue_error(403, "otp_expired")


def test_a_code_signs_in_to_the_account_of_a_verified_address(world: World) -> None:
    email, first = new_user(world)
    world.end_cooldown(MailKind.SIGN_IN_CODE, email)
    request_mail(world, "otp", email, create_user=False, data={"plan": "other"})
    mail = world.mail(email, nth=2)

    answer = verify(world, email, mail.code, "magiclink")

    assert mail.subject == "Your sign-in code for Gerbang"
    assert answer.json["user"]["id"] == first.json["user"]["id"]
    assert "plan" not in answer.json["user"]["user_metadata"]


def test_a_code_verifies_an_unverified_address_and_removes_its_password(world: World) -> None:
    person = world.register()
    request_mail(world, "otp", person.email)
    mail = world.mail(person.email)
    assert mail.subject == "Confirm your email address for Gerbang"

    answer = verify(world, person.email, mail.code, "signup")

    assert answer.json["user"]["id"] == person.user_id
    assert "email_confirmed_at" in answer.json["user"]
    assert not world.can_sign_in(person.email, PASSWORD), "a stranger may have set the password"
    assert not world.is_signed_in(person.access_token)


def test_no_mail_is_sent_to_an_unknown_address_unless_it_may_sign_up(world: World) -> None:
    unknown, known = world.email(), world.register().email
    request_mail(world, "otp", unknown, create_user=False)
    request_mail(world, "recover", unknown)
    request_mail(world, "resend", unknown, type="signup")
    request_mail(world, "recover", known)

    assert world.mail(known).code
    assert world.mails(unknown) == []


# Recovery


def test_a_recovery_code_signs_in_to_a_verified_account(world: World) -> None:
    email, password = world.register().email, PASSWORD
    assert verify(world, email, world.request_code(email).code).status == 200
    request_mail(world, "recover", email)
    mail = world.mail(email, having=lambda mail: mail.subject == "Reset your Gerbang password")

    answer = verify(world, email, mail.code, "recovery")

    assert answer.status == 200
    assert claims_of(answer.json["access_token"])["amr"][0]["method"] == "otp"
    assert not world.can_sign_in(email, password), "the first code removed the password"


def test_a_recovery_code_replaces_a_confirmation_code(world: World) -> None:
    email, _ = world.register_without_session()
    confirmation = world.mail(email).code
    request_mail(world, "recover", email)
    recovery = world.mail(email, nth=2).code

    assert verify(world, email, recovery, "signup").json == gotrue_error(403, "otp_expired")
    assert verify(world, email, confirmation, "recovery").json == gotrue_error(403, "otp_expired")
    assert verify(world, email, recovery, "recovery").status == 200
    assert verify(world, email, confirmation, "signup").json == gotrue_error(403, "otp_expired")


# Resend


def test_a_resent_code_of_a_registration_keeps_the_password(world: World) -> None:
    email, first = world.register_without_session()
    request_mail(world, "resend", email, type="signup")
    second = world.mail(email, nth=2)

    assert verify(world, email, first.code, "signup").status == 403
    assert verify(world, email, second.code, "signup").status == 200
    assert world.can_sign_in(email, PASSWORD)


def test_nothing_is_resent_to_a_verified_address(world: World) -> None:
    email, _ = new_user(world)
    request_mail(world, "resend", email, type="signup")
    request_mail(world, "resend", email, type="email_change")
    request_mail(world, "recover", email)

    assert world.mail(email, nth=2).subject == "Reset your Gerbang password"
    assert len(world.mails(email)) == 2


# Limits


@pytest.mark.parametrize(
    ("name", "more"), [("otp", {}), ("otp", {"create_user": False}), ("recover", {}), ("resend", {"type": "signup"})]
)
def test_known_and_unknown_addresses_get_at_most_one_mail_a_minute(
    world: World, name: str, more: dict[str, object]
) -> None:
    for email in (world.register().email, world.email()):
        request_mail(world, name, email, **more)

        again = post(world, name, {"email": email, **more})

        assert again.status == 429
        assert again.json == gotrue_error(429, "over_email_send_rate_limit")
        seconds = int(again.headers["retry-after"])
        assert 55 <= seconds <= 60
        assert f"after {seconds} seconds" in again.json["msg"]


def test_after_five_wrong_codes_no_code_and_no_request_for_a_mail_is_accepted(world: World) -> None:
    known, unknown = world.register_without_session()[0], world.email()
    answers = []
    for email, code in ((known, world.mail(known).code), (unknown, "123456")):
        for kind in ("email", "signup", "recovery", "magiclink", "invite"):
            assert verify(world, email, other_code(code), kind).json == gotrue_error(403, "otp_expired")
        refused = [verify(world, email, code)]
        refused += [post(world, name, {"email": email}) for name in ("otp", "recover")]
        refused.append(post(world, "resend", {"email": email, "type": "signup"}))
        answers.append([(answer.status, answer.json) for answer in refused])
        assert all(3500 < int(answer.headers["retry-after"]) <= 3600 for answer in refused)

    assert answers[0] == answers[1] == [(429, gotrue_error(429, "over_request_rate_limit"))] * 4


# Errors


def test_a_disabled_account_is_reported_only_to_the_right_code(world: World) -> None:
    email, answer = new_user(world)
    request_mail(world, "recover", email)
    code = world.mail(email, nth=2).code
    world.set_account(answer.json["user"]["id"], disabled_at=1)

    assert verify(world, email, other_code(code), "recovery").json == gotrue_error(403, "otp_expired")
    assert verify(world, email, code, "recovery").json == gotrue_error(403, "user_banned")


@pytest.mark.parametrize("token", ["12 34 56", "1234567", "12345", "abcdef", " 123456"])
def test_a_malformed_code_is_otp_expired(world: World, token: str) -> None:
    assert verify(world, world.email(), token).json == gotrue_error(403, "otp_expired")


@pytest.mark.parametrize("kind", ["email", "recovery", "email_change"])
def test_an_unknown_token_hash_is_otp_expired(world: World, kind: str) -> None:
    answer = post(world, "verify", {"type": kind, "token_hash": "ab12"})

    assert (answer.status, answer.json) == (403, gotrue_error(403, "otp_expired"))


def test_a_code_for_an_email_change_that_was_not_requested_is_otp_expired(world: World) -> None:
    email, _ = new_user(world)

    assert verify(world, email, "123456", "email_change").json == gotrue_error(403, "otp_expired")


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("otp", {"email": "not-an-address"}, 400),
        ("recover", {"email": "not-an-address"}, 400),
        ("resend", {"email": "not-an-address", "type": "signup"}, 400),
        ("verify", {"email": "not-an-address", "type": "email", "token": "123456"}, 422),
        ("otp", {}, 400),
        ("otp", {"email": None}, 400),
        ("otp", {"email": "a@example.com", "phone": "+6281234567"}, 400),
        ("otp", {"email": "a@example.com", "channel": "sms"}, 400),
        ("otp", {"email": "a@example.com", "data": {"x": "x" * 8192}}, 400),
        ("recover", {}, 400),
        ("recover", {"email": None}, 400),
        ("resend", {"email": "a@example.com"}, 400),
        ("resend", {"email": "a@example.com", "type": "recovery"}, 400),
        ("resend", {"type": "signup"}, 400),
        ("verify", {"email": "a@example.com", "token": "123456"}, 400),
        ("verify", {"email": "a@example.com", "type": "x", "token": "123456"}, 400),
        ("verify", {"email": "a@example.com", "type": "email"}, 400),
        ("verify", {"type": "email", "token": "123456"}, 400),
        ("verify", {"email": "a@example.com", "type": "email", "token": "123456", "token_hash": "x"}, 400),
        ("verify", {"email": "a@example.com", "type": "email", "token_hash": "x"}, 400),
    ],
)
def test_an_invalid_body_is_a_validation_error(world: World, name: str, body: dict[str, object], status: int) -> None:
    answer = post(world, name, body)

    assert (answer.status, answer.json) == (status, gotrue_error(status, "validation_failed"))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("otp", {"phone": "+6281234567", "channel": "whatsapp"}),
        ("resend", {"phone": "+6281234567", "type": "sms"}),
        ("resend", {"phone": "+6281234567", "type": "phone_change"}),
        ("verify", {"phone": "+6281234567", "type": "sms", "token": "123456"}),
    ],
)
def test_phones_are_not_supported(world: World, name: str, body: dict[str, object]) -> None:
    answer = post(world, name, body)

    assert (answer.status, answer.json) == (422, gotrue_error(422, "phone_provider_disabled"))


# Secrecy


def test_known_and_unknown_addresses_get_the_same_answers(world: World) -> None:
    known, unknown = world.register().email, world.email()

    def answers(email: str) -> list[tuple[int, object, dict[str, str]]]:
        request = [
            post(world, "otp", {"email": email}),
            post(world, "recover", {"email": email}),
            post(world, "resend", {"email": email, "type": "signup"}),
            post(world, "resend", {"email": email, "type": "email_change"}),
            verify(world, email, "000000"),
        ]
        return [(answer.status, answer.json, answer.stable_headers) for answer in request]

    assert answers(known) == answers(unknown)


def test_a_recovery_removes_a_strangers_password(world: World) -> None:
    person = world.register(password=OTHER_PASSWORD)
    request_mail(world, "recover", person.email)

    answer = verify(world, person.email, world.mail(person.email).code, "recovery")

    assert answer.status == 200
    assert not world.can_sign_in(person.email, OTHER_PASSWORD)
    assert "removed" in world.mail(person.email, nth=2).text
