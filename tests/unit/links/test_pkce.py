"""Links in mails for clients that use PKCE: an authorization code is exchanged for the session."""

from copy import replace
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.pkce import FLOW_LIFETIME, AuthorizationCode, BadCodeVerifier, FlowStateExpired, FlowStateNotFound
from gerbang.accounts.verification import AccountDisabled
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, SLOT, MailKind
from gerbang.sessions.pkce import ChallengeMethod, CodeChallenge
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.store import Update

from tests.conftest import Database
from tests.deployment import HOME, HOUR, Choices
from tests.fakes import at_once
from tests.unit.access import session_works
from tests.unit.links.steps import (
    CHALLENGE,
    LINK,
    NEW_ADDRESS,
    link_token_in,
    mailed_link_token,
    redeem_for_session,
    url_in,
)
from tests.unit.mail_deployment import MailDeployment, is_nowhere
from tests.unit.one_time_codes.redemption import EITHER

VERIFIER = "v" * 43
S256_OF_VERIFIER = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"


@pytest.mark.parametrize(
    ("method", "value"), [(ChallengeMethod.PLAIN, VERIFIER), (ChallengeMethod.S256, S256_OF_VERIFIER)]
)
def test_a_challenge_matches_only_its_verifier(method: ChallengeMethod, value: str) -> None:
    challenge = CodeChallenge.from_text(CodeChallenge(value, method).to_text())

    assert challenge.is_met_by(VERIFIER)
    for other in ("", "v" * 42, "v" * 44, "w" * 43, "é" * 43, value if method is ChallengeMethod.S256 else "x"):
        assert not challenge.is_met_by(other)


def follow_link(app: MailDeployment, kind: MailKind = MailKind.RECOVERY_CODE) -> str:
    """Follow a link of a client that uses PKCE; return the authorization code."""
    link = replace(LINK, challenge=CodeChallenge(S256_OF_VERIFIER, ChallengeMethod.S256))
    token = mailed_link_token(app, kind, link=link)
    assert token.startswith("pkce_")
    outcome = app.base.link_sign_in.follow(token, HOME, slots=EITHER)
    assert isinstance(outcome, AuthorizationCode)
    return outcome.code


def exchange(app: MailDeployment, code: str, verifier: str = VERIFIER) -> SignedIn:
    return app.base.pkce_flows.exchange(code, verifier, HOME)


def test_with_pkce_a_link_opens_no_session_until_its_code_is_exchanged(app: MailDeployment, database: Database) -> None:
    user = app.register().user
    sessions = len(database.items("RefreshTokenFamilies"))

    code = follow_link(app)

    assert len(database.items("RefreshTokenFamilies")) == sessions
    assert app.user(user.user_id).email_verified_at == app.base.clock()
    assert is_nowhere(database, code)
    session = exchange(app, code)
    assert session.user.user_id == user.user_id
    assert session_works(app, session)
    with pytest.raises(FlowStateNotFound):
        exchange(app, code)


def test_with_pkce_an_app_can_redeem_the_token_itself_for_a_session(app: MailDeployment) -> None:
    app.register()
    link = replace(LINK, challenge=CHALLENGE)

    assert session_works(app, redeem_for_session(app, mailed_link_token(app, MailKind.RECOVERY_CODE, link=link)))


def test_the_prefix_of_a_pkce_token_cannot_be_removed(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    token = mailed_link_token(app_in_memory, MailKind.RECOVERY_CODE, link=replace(LINK, challenge=CHALLENGE))

    with pytest.raises(InvalidCode):
        app_in_memory.base.link_sign_in.follow(token.removeprefix("pkce_"), HOME, slots=EITHER)


def test_a_wrong_verifier_is_counted_and_does_not_spend_the_code(app_in_memory: MailDeployment) -> None:
    low_limits = Choices(address=Limit(name="sign_in_address", attempts=5, window=HOUR))
    app = app_in_memory.with_choices(low_limits)
    app.register()
    code = follow_link(app)
    with pytest.raises(BadCodeVerifier):
        exchange(app, code, "w" * 43)
    assert session_works(app, exchange(app, code))

    code, reasons = follow_link(app), list[str]()
    for _ in range(5):
        with pytest.raises((BadCodeVerifier, TooManyAttempts)) as error:
            exchange(app, code, "w" * 43)
        reasons.append(error.value.code)
    assert reasons[-1] == "over_request_rate_limit"
    with pytest.raises(TooManyAttempts):
        exchange(app, code)


def test_an_authorization_code_expires_after_five_minutes(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    code = follow_link(app_in_memory)
    app_in_memory.base.clock.advance(FLOW_LIFETIME)

    with pytest.raises(FlowStateExpired):
        exchange(app_in_memory, code)


@pytest.mark.parametrize("code", ["x", "00000000-0000-4000-8000-000000000000", "\ud800"])
def test_an_unknown_authorization_code_is_not_found(app_in_memory: MailDeployment, code: str) -> None:
    with pytest.raises(FlowStateNotFound):
        exchange(app_in_memory, code)


def test_an_authorization_code_is_rejected_after_a_reset_or_disabling(app_in_memory: MailDeployment) -> None:
    user = app_in_memory.register().user
    code = follow_link(app_in_memory)
    app_in_memory.end_sessions(user)
    with pytest.raises(FlowStateNotFound):
        exchange(app_in_memory, code)

    code = follow_link(app_in_memory)
    app_in_memory.base.store.write(Update(app_in_memory.users.key(user.user_id), {"disabled_at": 1}))
    with pytest.raises(AccountDisabled):
        exchange(app_in_memory, code)


def test_with_pkce_a_link_creates_the_account_of_a_new_address(app: MailDeployment) -> None:
    link = replace(LINK, challenge=CHALLENGE)
    payload = {SLOT: "RECOVERY", NEW_USER_NAME: "", NEW_USER_METADATA: "{}", **link.to_payload()}
    app.deliver(replace(app.job(MailKind.SIGN_IN_CODE, NEW_ADDRESS), payload=payload))

    outcome = app.base.link_sign_in.follow(link_token_in(url_in(app)), HOME, slots=EITHER)

    assert isinstance(outcome, AuthorizationCode)
    assert exchange(app, outcome.code, CHALLENGE.value).user.email == NEW_ADDRESS


def test_of_concurrent_exchanges_of_a_code_one_opens_a_session(app: MailDeployment, database: Database) -> None:
    app.register()
    code = follow_link(app)
    before = len(database.items("RefreshTokenFamilies"))

    outcomes = at_once([partial(exchange, app, code)] * 4)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1, outcomes
    assert sum(isinstance(outcome, FlowStateNotFound) for outcome in outcomes) == 3
    assert len(database.items("RefreshTokenFamilies")) == before + 1


def test_of_concurrent_requests_for_a_link_one_gets_an_authorization_code(
    app: MailDeployment, database: Database
) -> None:
    app.register()
    token = mailed_link_token(app, MailKind.RECOVERY_CODE, link=replace(LINK, challenge=CHALLENGE))

    outcomes = at_once([partial(app.base.link_sign_in.follow, token, HOME, slots=EITHER)] * 4)

    assert sum(isinstance(outcome, AuthorizationCode) for outcome in outcomes) == 1, outcomes
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 3
    assert len(database.items("OneTimeCodes", "FLOW#")) == 1
