"""Links of mails: what they carry, what their tokens are, and what redeeming them does."""

import re
from collections.abc import Callable, Mapping
from copy import replace
from functools import partial
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.pkce import (
    FLOW_LIFETIME,
    AuthorizationCode,
    BadCodeVerifier,
    FlowStateExpired,
    FlowStateNotFound,
)
from gerbang.accounts.user_update import UserChanges
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.emails import EmailAddress
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.codes import CODE_LIFETIME
from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, SLOT, MailJob, MailKind
from gerbang.mail.links import LinkRequest, LinkType
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.pkce import ChallengeMethod, CodeChallenge
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name
from gerbang.storage.one_time_codes import EMAIL_CHANGES, Slot
from gerbang.storage.store import Plus, Update

from tests.conftest import Database
from tests.deployment import BOB, HOME, HOUR, SITE, Choices
from tests.fakes import at_once
from tests.unit.access import password_works, session_works
from tests.unit.mail_fakes import MailDeployment, code_in, is_nowhere

BASE = "https://auth.example.com"
EITHER = (Slot.EMAIL, Slot.RECOVERY)
NEW = EmailAddress("bob@new.example")
VERIFIER = "v" * 43
CHALLENGE = CodeChallenge("M" * 43, ChallengeMethod.PLAIN)
LINK = LinkRequest(base_url=BASE, redirect_to=f"{SITE}/welcome?x=1")
S256_OF_VERIFIER = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"


def linked(post: MailDeployment, kind: MailKind, email: str = BOB.email, link: LinkRequest = LINK) -> MailJob:
    """A job of one of Supabase's endpoints."""
    slot = {SLOT: Slot.RECOVERY.value} if kind is MailKind.SIGN_IN_CODE else {}
    return replace(post.job(kind, email), payload={**slot, **link.to_payload()})


def url_in(post: MailDeployment) -> str:
    """The one link of the last mail."""
    (url,) = [line for line in post.outbox.last.text.splitlines() if line.startswith("http")]
    return url


def mailed(post: MailDeployment, kind: MailKind, email: str = BOB.email, link: LinkRequest = LINK) -> str:
    """Have a link mailed; return its token."""
    post.deliver(linked(post, kind, email, link))
    return token_in(url_in(post))


def token_in(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


def redeem(post: MailDeployment, token: str, slots: tuple[Slot, ...] = EITHER) -> SignedIn | HalfConfirmed:
    return post.base.link_sign_in.redeem(token, HOME, slots=slots)


def signed_in(post: MailDeployment, token: str, slots: tuple[Slot, ...] = EITHER) -> SignedIn:
    session = redeem(post, token, slots)
    assert isinstance(session, SignedIn)
    return session


# What a mail carries


@pytest.mark.parametrize(
    ("kind", "link_type"),
    [
        (MailKind.VERIFICATION_CODE, "signup"),
        (MailKind.SIGN_IN_CODE, "signup"),
        (MailKind.RECOVERY_CODE, "recovery"),
        (MailKind.INVITE, "invite"),
    ],
)
def test_a_mail_has_a_link_beside_its_code(post_in_memory: MailDeployment, kind: MailKind, link_type: str) -> None:
    post_in_memory.register()
    post_in_memory.deliver(linked(post_in_memory, kind))

    url = url_in(post_in_memory)
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{BASE}/auth/v1/verify"
    query = parse_qs(parts.query)
    assert (query["type"], query["redirect_to"]) == ([link_type], [LINK.redirect_to])
    assert re.fullmatch(r"[A-Za-z0-9]{76}", query["token"][0])
    assert url[-1].isalnum()
    assert code_in(post_in_memory.outbox.last)


def test_a_verified_account_is_mailed_a_magic_link(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    signed_in(post_in_memory, mailed(post_in_memory, MailKind.VERIFICATION_CODE))

    mailed(post_in_memory, MailKind.SIGN_IN_CODE)

    assert "type=magiclink" in url_in(post_in_memory)


def test_a_job_of_another_api_has_no_link(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    post_in_memory.mailed_code()

    assert "http" not in post_in_memory.outbox.last.text


@pytest.mark.parametrize("end", [".", "-", "_", "~", "/", ""])
def test_a_link_ends_so_that_mail_programs_link_all_of_it(end: str) -> None:
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
def test_a_payload_that_is_not_sound_describes_no_link(payload: dict[str, str]) -> None:
    assert LinkRequest.from_payload(payload) is None


@pytest.mark.parametrize(
    "link", [LINK, replace(LINK, challenge=CHALLENGE), replace(LINK, base_url="http://localhost:3000")]
)
def test_a_job_keeps_its_link(link: LinkRequest) -> None:
    assert LinkRequest.from_payload({**link.to_payload(), "later": "x"}) == link


# Tokens


def test_a_job_delivered_twice_has_the_same_token(post_in_memory: MailDeployment) -> None:
    make = partial(post_in_memory.base.link_tokens.token, "a", Slot.EMAIL, "x@y.example", subject="s", epoch=0)

    assert make() == make()


def test_tokens_differ_by_job_slot_subject_address_epoch_and_flow(post_in_memory: MailDeployment) -> None:
    make = partial(post_in_memory.base.link_tokens.token, subject="s", epoch=0)
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


def test_tokens_survive_a_rotation(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    token = mailed(post_in_memory, MailKind.RECOVERY_CODE)
    post_in_memory.base.secret.rotate("another-secret-of-forty-characters-and-more")
    post_in_memory.base.clock.advance(CODE_LIFETIME / 2)

    assert session_works(post_in_memory, signed_in(post_in_memory, token))


def test_neither_token_nor_address_is_in_the_tables(post: MailDeployment, database: Database) -> None:
    payload = {SLOT: "RECOVERY", NEW_USER_NAME: "", NEW_USER_METADATA: "{}", **LINK.to_payload()}
    post.deliver(replace(post.job(MailKind.SIGN_IN_CODE, NEW), payload=payload))

    assert is_nowhere(database, token_in(url_in(post)))
    assert is_nowhere(database, NEW)
    assert "new.example" not in token_in(url_in(post))


# Redeeming


def test_a_link_does_what_its_code_does_and_spends_both(post: MailDeployment) -> None:
    user = post.register().user
    token = mailed(post, MailKind.VERIFICATION_CODE)
    code = code_in(post.outbox.last)

    session = signed_in(post, token)

    assert session.user.user_id == user.user_id
    assert session.user.email_verified_at == post.base.clock()
    assert session_works(post, session)
    assert password_works(post), "the registration's link keeps its password"
    for spent in (partial(redeem, post, token), lambda: post.code_sign_in.sign_in(BOB.email, code, HOME)):
        with pytest.raises(InvalidCode):
            spent()


def test_a_code_spends_its_link(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    token = mailed(post_in_memory, MailKind.VERIFICATION_CODE)
    post_in_memory.code_sign_in.sign_in(BOB.email, code_in(post_in_memory.outbox.last), HOME)

    with pytest.raises(InvalidCode):
        redeem(post_in_memory, token)


def test_a_newer_link_replaces_an_older_one(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    older = mailed(post_in_memory, MailKind.RECOVERY_CODE)
    newer = mailed(post_in_memory, MailKind.RECOVERY_CODE)

    with pytest.raises(InvalidCode):
        redeem(post_in_memory, older)
    assert session_works(post_in_memory, signed_in(post_in_memory, newer))


def test_a_link_makes_the_account_of_a_new_address(post: MailDeployment) -> None:
    payload = {SLOT: "RECOVERY", NEW_USER_NAME: "Carol", NEW_USER_METADATA: '{"a":1}', **LINK.to_payload()}
    post.deliver(replace(post.job(MailKind.SIGN_IN_CODE, NEW), payload=payload))

    session = signed_in(post, token_in(url_in(post)))

    assert (session.user.email, session.user.name, session.user.user_metadata) == (NEW, "Carol", {"a": 1})
    assert session.user.email_verified_at is not None
    assert post.users.find_id(Name.EMAIL, NEW) == session.user.user_id


@pytest.mark.parametrize("slots", [(Slot.EMAIL,), EMAIL_CHANGES, ()])
def test_a_link_of_another_type_is_worth_nothing(post_in_memory: MailDeployment, slots: tuple[Slot, ...]) -> None:
    post_in_memory.register()
    token = mailed(post_in_memory, MailKind.RECOVERY_CODE)

    with pytest.raises(InvalidCode):
        redeem(post_in_memory, token, slots)
    assert session_works(post_in_memory, signed_in(post_in_memory, token))


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
def test_any_other_token_is_worth_nothing(post_in_memory: MailDeployment, change: Callable[[str], str]) -> None:
    post_in_memory.register()
    token = mailed(post_in_memory, MailKind.RECOVERY_CODE)

    with pytest.raises(InvalidCode):
        redeem(post_in_memory, change(token))
    assert session_works(post_in_memory, signed_in(post_in_memory, token))


def test_a_link_ends_with_its_code(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    token = mailed(post_in_memory, MailKind.RECOVERY_CODE)
    post_in_memory.base.clock.advance(CODE_LIFETIME)

    with pytest.raises(InvalidCode):
        redeem(post_in_memory, token)


def test_a_link_of_another_epoch_is_worth_nothing(post_in_memory: MailDeployment) -> None:
    user = post_in_memory.register().user
    token = mailed(post_in_memory, MailKind.RECOVERY_CODE)
    post_in_memory.base.store.write(Update(post_in_memory.users.key(user.user_id), {"epoch": Plus(1)}))

    with pytest.raises(InvalidCode):
        redeem(post_in_memory, token)


def test_that_an_account_is_disabled_is_told_with_the_right_link_only(post_in_memory: MailDeployment) -> None:
    user = post_in_memory.register().user
    token = mailed(post_in_memory, MailKind.RECOVERY_CODE)
    post_in_memory.disable(user)

    with pytest.raises(AccountDisabled):
        redeem(post_in_memory, token)


def test_wrong_links_count_at_the_client_and_not_at_the_address(post_in_memory: MailDeployment) -> None:
    few = Choices(address=Limit(name="sign_in_address", attempts=3, window=HOUR))
    post = replace(post_in_memory, base=replace(post_in_memory.base, choices=few))
    post.register()
    old, token = mailed(post, MailKind.RECOVERY_CODE), mailed(post, MailKind.RECOVERY_CODE)
    for _ in range(3):
        with pytest.raises(InvalidCode):
            redeem(post, old)

    with pytest.raises(TooManyAttempts):
        redeem(post, token)
    elsewhere = replace(HOME, address="198.51.100.9")
    assert isinstance(post.base.link_sign_in.redeem(token, elsewhere, slots=EITHER), SignedIn)


def test_of_a_link_and_its_code_at_once_one_opens_a_session(post: MailDeployment, database: Database) -> None:
    post.register()
    before = len(database.items("RefreshTokenFamilies"))
    token = mailed(post, MailKind.RECOVERY_CODE)
    code = code_in(post.outbox.last)
    by_code = partial(post.base.code_sign_in.redeem, BOB.email, code, HOME, slots=EITHER)

    calls: list[Callable[[], object]] = [partial(redeem, post, token), by_code]
    outcomes = at_once(calls * 2)

    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 3, outcomes
    assert len(database.items("RefreshTokenFamilies")) == before + 1


def test_the_log_has_neither_token_nor_address(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    token = mailed(post_in_memory, MailKind.RECOVERY_CODE)
    post_in_memory.base.link_sign_in.follow(token, HOME, slots=EITHER)

    logged = str(post_in_memory.base.recorded.notes)
    assert token not in logged
    assert BOB.email not in logged


# Changes of address


def changing(post: MailDeployment, new_email: EmailAddress = NEW, link: LinkRequest = LINK) -> list[str]:
    """Ask for another address; return the tokens that are mailed for it, the new address's first."""
    held = signed_in(post, mailed(post, MailKind.RECOVERY_CODE))
    caller = post.base.sessions.authenticate(held.tokens.access_token)
    asked = UserChanges(email=new_email, link=link)
    post.base.user_update.update(caller, asked, HOME, PasswordPolicy(shortest=8, requirements=(), service_name="x"))
    jobs = [job for job in post.queue.jobs if job.kind.startswith("email_change")][-2:]
    tokens = []
    for job in jobs:
        post.deliver(job)
        tokens.append(token_in(url_in(post)))
    return tokens


def test_both_links_confirm_a_change_of_address_in_any_order(post: MailDeployment) -> None:
    post.register()
    at_new, at_present = changing(post)

    assert isinstance(redeem(post, at_present, EMAIL_CHANGES), HalfConfirmed)
    session = signed_in(post, at_new, EMAIL_CHANGES)

    assert session.user.email == NEW
    assert post.users.find_id(Name.EMAIL, NEW) == session.user.user_id


def test_a_link_for_one_change_does_not_confirm_the_next(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    _, at_present = changing(post_in_memory)
    user_id = post_in_memory.users.find_id(Name.EMAIL, BOB.email) or ""
    changes = {"new_email": "bob@other.example", "new_email_as_typed": "bob@other.example"}
    post_in_memory.base.store.write(Update(post_in_memory.users.key(user_id), changes))

    with pytest.raises(InvalidCode):
        redeem(post_in_memory, at_present, EMAIL_CHANGES)


# PKCE


@pytest.mark.parametrize(
    ("method", "value"), [(ChallengeMethod.PLAIN, VERIFIER), (ChallengeMethod.S256, S256_OF_VERIFIER)]
)
def test_a_challenge_is_met_by_its_verifier_only(method: ChallengeMethod, value: str) -> None:
    challenge = CodeChallenge.from_text(CodeChallenge(value, method).to_text())

    assert challenge.is_met_by(VERIFIER)
    for other in ("", "v" * 42, "v" * 44, "w" * 43, "é" * 43, value if method is ChallengeMethod.S256 else "x"):
        assert not challenge.is_met_by(other)


def authorized(post: MailDeployment, kind: MailKind = MailKind.RECOVERY_CODE) -> str:
    """Follow a link of a client that uses PKCE; return the authorization code."""
    link = replace(LINK, challenge=CodeChallenge(S256_OF_VERIFIER, ChallengeMethod.S256))
    token = mailed(post, kind, link=link)
    assert token.startswith("pkce_")
    outcome = post.base.link_sign_in.follow(token, HOME, slots=EITHER)
    assert isinstance(outcome, AuthorizationCode)
    return outcome.code


def exchange(post: MailDeployment, code: str, verifier: str = VERIFIER) -> SignedIn:
    return post.base.pkce_flows.exchange(code, verifier, HOME)


def test_a_link_of_a_client_that_uses_pkce_opens_no_session_until_its_code_is_exchanged(
    post: MailDeployment, database: Database
) -> None:
    user = post.register().user
    sessions = len(database.items("RefreshTokenFamilies"))

    code = authorized(post)

    assert len(database.items("RefreshTokenFamilies")) == sessions
    assert post.user(user.user_id).email_verified_at == post.base.clock()
    assert is_nowhere(database, code)
    session = exchange(post, code)
    assert session.user.user_id == user.user_id
    assert session_works(post, session)
    with pytest.raises(FlowStateNotFound):
        exchange(post, code)


def test_the_token_of_such_a_link_is_worth_a_session_at_once_where_the_app_sends_it(post: MailDeployment) -> None:
    post.register()
    link = replace(LINK, challenge=CHALLENGE)

    assert session_works(post, signed_in(post, mailed(post, MailKind.RECOVERY_CODE, link=link)))


def test_the_prefix_cannot_be_taken_off(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    token = mailed(post_in_memory, MailKind.RECOVERY_CODE, link=replace(LINK, challenge=CHALLENGE))

    with pytest.raises(InvalidCode):
        post_in_memory.base.link_sign_in.follow(token.removeprefix("pkce_"), HOME, slots=EITHER)


def test_a_wrong_verifier_does_not_spend_the_code_and_counts(post_in_memory: MailDeployment) -> None:
    few = Choices(address=Limit(name="sign_in_address", attempts=5, window=HOUR))
    post = replace(post_in_memory, base=replace(post_in_memory.base, choices=few))
    post.register()
    code = authorized(post)
    with pytest.raises(BadCodeVerifier):
        exchange(post, code, "w" * 43)
    assert session_works(post, exchange(post, code))

    code, reasons = authorized(post), list[str]()
    for _ in range(5):
        with pytest.raises((BadCodeVerifier, TooManyAttempts)) as error:
            exchange(post, code, "w" * 43)
        reasons.append(error.value.code)
    assert reasons[-1] == "over_request_rate_limit"
    with pytest.raises(TooManyAttempts):
        exchange(post, code)


def test_an_authorization_code_ends_after_five_minutes(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code = authorized(post_in_memory)
    post_in_memory.base.clock.advance(FLOW_LIFETIME)

    with pytest.raises(FlowStateExpired):
        exchange(post_in_memory, code)


@pytest.mark.parametrize("code", ["x", "00000000-0000-4000-8000-000000000000", "\ud800"])
def test_an_unknown_authorization_code_is_not_found(post_in_memory: MailDeployment, code: str) -> None:
    with pytest.raises(FlowStateNotFound):
        exchange(post_in_memory, code)


def test_an_authorization_code_belongs_to_the_account_as_it_was(post_in_memory: MailDeployment) -> None:
    user = post_in_memory.register().user
    code = authorized(post_in_memory)
    post_in_memory.base.store.write(Update(post_in_memory.users.key(user.user_id), {"epoch": Plus(1)}))
    with pytest.raises(FlowStateNotFound):
        exchange(post_in_memory, code)

    code = authorized(post_in_memory)
    post_in_memory.base.store.write(Update(post_in_memory.users.key(user.user_id), {"disabled_at": 1}))
    with pytest.raises(AccountDisabled):
        exchange(post_in_memory, code)


def test_a_link_of_pkce_makes_the_account_of_a_new_address(post: MailDeployment) -> None:
    link = replace(LINK, challenge=CHALLENGE)
    payload = {SLOT: "RECOVERY", NEW_USER_NAME: "", NEW_USER_METADATA: "{}", **link.to_payload()}
    post.deliver(replace(post.job(MailKind.SIGN_IN_CODE, NEW), payload=payload))

    outcome = post.base.link_sign_in.follow(token_in(url_in(post)), HOME, slots=EITHER)

    assert isinstance(outcome, AuthorizationCode)
    assert exchange(post, outcome.code, CHALLENGE.value).user.email == NEW


def test_of_exchanges_of_one_code_at_once_one_opens_a_session(post: MailDeployment, database: Database) -> None:
    post.register()
    code = authorized(post)
    before = len(database.items("RefreshTokenFamilies"))

    outcomes = at_once([partial(exchange, post, code)] * 4)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1, outcomes
    assert sum(isinstance(outcome, FlowStateNotFound) for outcome in outcomes) == 3
    assert len(database.items("RefreshTokenFamilies")) == before + 1


def test_of_a_scanner_and_a_person_who_open_a_link_at_once_one_is_given_a_code(
    post: MailDeployment, database: Database
) -> None:
    post.register()
    token = mailed(post, MailKind.RECOVERY_CODE, link=replace(LINK, challenge=CHALLENGE))

    outcomes = at_once([partial(post.base.link_sign_in.follow, token, HOME, slots=EITHER)] * 4)

    assert sum(isinstance(outcome, AuthorizationCode) for outcome in outcomes) == 1, outcomes
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 3
    assert len(database.items("OneTimeCodes", "FLOW#")) == 1
