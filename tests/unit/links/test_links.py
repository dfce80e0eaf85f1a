"""Links in mails: their parameters, their tokens, and what redeeming them does."""

import re
from collections.abc import Callable, Mapping
from copy import replace
from functools import partial
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.user_update import UserChanges
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.emails import EmailAddress
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.codes import CODE_LIFETIME
from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, SLOT, MailKind
from gerbang.mail.links import LinkRequest, LinkType
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name
from gerbang.storage.one_time_codes import EMAIL_CHANGES, Slot
from gerbang.storage.store import Update

from tests.conftest import Database
from tests.deployment import BOB, HOME, HOUR, SITE, Choices
from tests.fakes import at_once
from tests.unit.access import password_works, session_works
from tests.unit.links.steps import (
    BASE,
    CHALLENGE,
    LINK,
    NEW_ADDRESS,
    link_job,
    link_token_in,
    mailed_link_token,
    redeem_for_session,
    redeem_link,
    url_in,
)
from tests.unit.mail_deployment import MailDeployment, is_nowhere
from tests.unit.mail_fakes import code_in
from tests.unit.one_time_codes.redemption import EITHER

# Mails


@pytest.mark.parametrize(
    ("kind", "link_type"),
    [
        (MailKind.VERIFICATION_CODE, "signup"),
        (MailKind.SIGN_IN_CODE, "signup"),
        (MailKind.RECOVERY_CODE, "recovery"),
        (MailKind.INVITE, "invite"),
    ],
)
def test_a_mail_contains_a_link_and_a_code(app_in_memory: MailDeployment, kind: MailKind, link_type: str) -> None:
    app_in_memory.register()
    app_in_memory.deliver(link_job(app_in_memory, kind))

    url = url_in(app_in_memory)
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{BASE}/auth/v1/verify"
    query = parse_qs(parts.query)
    assert (query["type"], query["redirect_to"]) == ([link_type], [LINK.redirect_to])
    assert re.fullmatch(r"[A-Za-z0-9]{76}", query["token"][0])
    assert url[-1].isalnum()
    assert code_in(app_in_memory.outbox.last)


def test_a_verified_account_gets_a_magic_link(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    redeem_for_session(app_in_memory, mailed_link_token(app_in_memory, MailKind.VERIFICATION_CODE))

    mailed_link_token(app_in_memory, MailKind.SIGN_IN_CODE)

    assert "type=magiclink" in url_in(app_in_memory)


def test_a_mail_of_another_api_contains_no_link(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    app_in_memory.mailed_code()

    assert "http" not in app_in_memory.outbox.last.text


@pytest.mark.parametrize("end", [".", "-", "_", "~", "/", ""])
def test_a_link_ends_with_a_letter_or_digit_so_that_mail_programs_recognise_all_of_it(end: str) -> None:
    url = replace(LINK, redirect_to=f"{SITE}/a{end}").url("T" * 76, LinkType.RECOVERY)

    assert url[-1].isalnum()
    assert parse_qs(urlsplit(url).query)["redirect_to"] == [f"{SITE}/a{end}"]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"link_base_url": BASE},
        {"link_base_url": "http://auth.example.com", "link_redirect_to": SITE},
        {"link_base_url": "https://auth.example.com/?x=", "link_redirect_to": SITE},
        {"link_base_url": "https://a@b.example", "link_redirect_to": SITE},
        {"link_base_url": "javascript:x", "link_redirect_to": SITE},
        {"link_base_url": BASE, "link_redirect_to": "/x"},
        {"link_base_url": BASE, "link_redirect_to": f"{SITE}/{'a' * 2001}"},
        {"link_base_url": BASE, "link_redirect_to": f"{SITE}/\r\nx"},
        {"link_base_url": BASE, "link_redirect_to": SITE, "link_code_challenge": "s256:short"},
        {"link_base_url": BASE, "link_redirect_to": SITE, "link_code_challenge": f"md5:{'a' * 43}"},
    ],
)
def test_an_invalid_payload_describes_no_link(payload: dict[str, str]) -> None:
    assert LinkRequest.from_payload(payload) is None


@pytest.mark.parametrize(
    "link", [LINK, replace(LINK, challenge=CHALLENGE), replace(LINK, base_url="http://localhost:3000")]
)
def test_a_link_request_survives_a_round_trip_through_a_payload(link: LinkRequest) -> None:
    assert LinkRequest.from_payload({**link.to_payload(), "later": "x"}) == link


# Tokens


def test_a_token_is_the_same_when_its_job_is_delivered_twice(app_in_memory: MailDeployment) -> None:
    make = partial(app_in_memory.base.link_tokens.token, "a", Slot.EMAIL, "x@y.example", subject="s", epoch=0)

    assert make() == make()


def test_tokens_differ_by_job_slot_subject_address_epoch_and_flow(app_in_memory: MailDeployment) -> None:
    make = partial(app_in_memory.base.link_tokens.token, subject="s", epoch=0)
    tokens = {
        make("a", Slot.EMAIL, "x@y.example"),
        make("b", Slot.EMAIL, "x@y.example"),
        make("a", Slot.RECOVERY, "x@y.example"),
        make("a", Slot.EMAIL, "z@y.example"),
        make("a", Slot.EMAIL, "x@y.example", subject="t"),
        make("a", Slot.EMAIL, "x@y.example", epoch=1),
        make("a", Slot.EMAIL, "x@y.example", is_pkce=True),
    }

    assert len(tokens) == 7


def test_a_token_works_after_a_rotation_of_the_secret(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    token = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)
    app_in_memory.base.secret.rotate("another-secret-of-forty-characters-and-more")
    app_in_memory.base.clock.advance(CODE_LIFETIME / 2)

    assert session_works(app_in_memory, redeem_for_session(app_in_memory, token))


def test_neither_token_nor_address_is_stored(app: MailDeployment, database: Database) -> None:
    payload = {SLOT: "RECOVERY", NEW_USER_NAME: "", NEW_USER_METADATA: "{}", **LINK.to_payload()}
    app.deliver(replace(app.job(MailKind.SIGN_IN_CODE, NEW_ADDRESS), payload=payload))

    assert is_nowhere(database, link_token_in(url_in(app)))
    assert is_nowhere(database, NEW_ADDRESS)
    assert "new.example" not in link_token_in(url_in(app))


# Redeeming


def test_redeeming_a_link_also_spends_its_code(app: MailDeployment) -> None:
    user = app.register().user
    token = mailed_link_token(app, MailKind.VERIFICATION_CODE)
    code = code_in(app.outbox.last)

    session = redeem_for_session(app, token)

    assert session.user.user_id == user.user_id
    assert session.user.email_verified_at == app.base.clock()
    assert session_works(app, session)
    assert password_works(app), "the link of a registration keeps the password"
    for redeem_again in (partial(redeem_link, app, token), lambda: app.code_sign_in.sign_in(BOB.email, code, HOME)):
        with pytest.raises(InvalidCode):
            redeem_again()


def test_redeeming_a_code_also_spends_its_link(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    token = mailed_link_token(app_in_memory, MailKind.VERIFICATION_CODE)
    app_in_memory.code_sign_in.sign_in(BOB.email, code_in(app_in_memory.outbox.last), HOME)

    with pytest.raises(InvalidCode):
        redeem_link(app_in_memory, token)


def test_a_newer_link_replaces_an_older_one(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    older = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)
    newer = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)

    with pytest.raises(InvalidCode):
        redeem_link(app_in_memory, older)
    assert session_works(app_in_memory, redeem_for_session(app_in_memory, newer))


def test_a_link_creates_the_account_of_a_new_address(app: MailDeployment) -> None:
    payload = {SLOT: "RECOVERY", NEW_USER_NAME: "Carol", NEW_USER_METADATA: '{"a":1}', **LINK.to_payload()}
    app.deliver(replace(app.job(MailKind.SIGN_IN_CODE, NEW_ADDRESS), payload=payload))

    session = redeem_for_session(app, link_token_in(url_in(app)))

    assert (session.user.email, session.user.name, session.user.user_metadata) == (NEW_ADDRESS, "Carol", {"a": 1})
    assert session.user.email_verified_at is not None
    assert app.users.find_id(Name.EMAIL, NEW_ADDRESS) == session.user.user_id


@pytest.mark.parametrize("slots", [(Slot.EMAIL,), EMAIL_CHANGES, ()])
def test_a_link_of_another_type_is_rejected(app_in_memory: MailDeployment, slots: tuple[Slot, ...]) -> None:
    app_in_memory.register()
    token = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)

    with pytest.raises(InvalidCode):
        redeem_link(app_in_memory, token, slots)
    assert session_works(app_in_memory, redeem_for_session(app_in_memory, token))


OTHER_TOKENS: Final[Mapping[str, Callable[[str], str]]] = {
    "empty": lambda _: "",
    "short": lambda token: token[:-1],
    "long": lambda token: f"{token}x",
    "with the prefix": lambda token: f"pkce_{token}",
    "another name": lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
    "another secret": lambda token: ("a" if token[0] != "a" else "b") + token[1:],
    "no bytes": lambda token: token[:43] + "z" * 33,
    "another case": str.swapcase,
}


@pytest.mark.parametrize("change", OTHER_TOKENS.values(), ids=OTHER_TOKENS.keys())
def test_a_changed_token_is_rejected(app_in_memory: MailDeployment, change: Callable[[str], str]) -> None:
    app_in_memory.register()
    token = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)

    with pytest.raises(InvalidCode):
        redeem_link(app_in_memory, change(token))
    assert session_works(app_in_memory, redeem_for_session(app_in_memory, token))


def test_a_link_expires_with_its_code(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    token = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)
    app_in_memory.base.clock.advance(CODE_LIFETIME)

    with pytest.raises(InvalidCode):
        redeem_link(app_in_memory, token)


def test_a_link_of_another_epoch_is_rejected(app_in_memory: MailDeployment) -> None:
    user = app_in_memory.register().user
    token = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)
    app_in_memory.end_sessions(user)

    with pytest.raises(InvalidCode):
        redeem_link(app_in_memory, token)


def test_the_right_link_shows_that_an_account_is_disabled(app_in_memory: MailDeployment) -> None:
    user = app_in_memory.register().user
    token = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)
    app_in_memory.disable(user)

    with pytest.raises(AccountDisabled):
        redeem_link(app_in_memory, token)


def test_wrong_links_are_counted_for_the_client_and_not_for_the_address(app_in_memory: MailDeployment) -> None:
    low_limits = Choices(address=Limit(name="sign_in_address", attempts=3, window=HOUR))
    app = app_in_memory.with_choices(low_limits)
    app.register()
    older_token, token = (
        mailed_link_token(app, MailKind.RECOVERY_CODE),
        mailed_link_token(app, MailKind.RECOVERY_CODE),
    )
    for _ in range(3):
        with pytest.raises(InvalidCode):
            redeem_link(app, older_token)

    with pytest.raises(TooManyAttempts):
        redeem_link(app, token)
    other_client = replace(HOME, address="198.51.100.9")
    assert isinstance(app.base.link_sign_in.redeem(token, other_client, slots=EITHER), SignedIn)


def test_of_a_link_and_its_code_redeemed_at_once_one_opens_a_session(app: MailDeployment, database: Database) -> None:
    app.register()
    before = len(database.items("RefreshTokenFamilies"))
    token = mailed_link_token(app, MailKind.RECOVERY_CODE)
    code = code_in(app.outbox.last)
    by_code = partial(app.base.code_sign_in.redeem, BOB.email, code, HOME, slots=EITHER)

    calls: list[Callable[[], object]] = [partial(redeem_link, app, token), by_code]
    outcomes = at_once(calls * 2)

    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 3, outcomes
    assert len(database.items("RefreshTokenFamilies")) == before + 1


def test_the_log_contains_neither_token_nor_address(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    token = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE)
    app_in_memory.base.link_sign_in.follow(token, HOME, slots=EITHER)

    logged = str(app_in_memory.base.recorded.notes)
    assert token not in logged
    assert BOB.email not in logged


# Changes of address


def request_address_change(
    app: MailDeployment, new_email: EmailAddress = NEW_ADDRESS, link: LinkRequest = LINK
) -> list[str]:
    """Request a change of address; return the tokens mailed to the new and to the current address."""
    session = redeem_for_session(app, mailed_link_token(app, MailKind.RECOVERY_CODE))
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    changes = UserChanges(email=new_email, link=link)
    app.base.user_update.update(caller, changes, HOME, PasswordPolicy(shortest=8, requirements=(), service_name="x"))
    jobs = [job for job in app.queue.jobs if job.kind.startswith("email_change")][-2:]
    tokens = []
    for job in jobs:
        app.deliver(job)
        tokens.append(link_token_in(url_in(app)))
    return tokens


def test_both_links_confirm_a_change_of_address_in_any_order(app: MailDeployment) -> None:
    app.register()
    token_for_new, token_for_current = request_address_change(app)

    assert isinstance(redeem_link(app, token_for_current, EMAIL_CHANGES), HalfConfirmed)
    session = redeem_for_session(app, token_for_new, EMAIL_CHANGES)

    assert session.user.email == NEW_ADDRESS
    assert app.users.find_id(Name.EMAIL, NEW_ADDRESS) == session.user.user_id


def test_a_link_for_one_change_does_not_confirm_the_next(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    _, token_for_current = request_address_change(app_in_memory)
    user_id = app_in_memory.users.find_id(Name.EMAIL, BOB.email) or ""
    changes = {"new_email": "bob@other.example", "new_email_as_typed": "bob@other.example"}
    app_in_memory.base.store.write(Update(app_in_memory.users.key(user_id), changes))

    with pytest.raises(InvalidCode):
        redeem_link(app_in_memory, token_for_current, EMAIL_CHANGES)
