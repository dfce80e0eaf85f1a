"""Wrong passwords at a password change: one limit for all endpoints (security.md 33)."""

from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.client import Client
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts

from tests.deployment import ABROAD, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import Call, FaultyStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.passwords.changes import NEW, change


@in_memory_only
def test_wrong_passwords_count_together_with_those_of_sign_ins(app: MailDeployment) -> None:
    session = app.register()
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            change(app, session, "a guess")
        assert not password_works(app, "a guess", HOME)

    with pytest.raises(TooManyAttempts):
        change(app, session)
    with pytest.raises(TooManyAttempts):
        password_works(app, PASSWORD, HOME)

    assert password_works(app, PASSWORD, ABROAD)
    assert session_works(app, session)


@in_memory_only
def test_ten_of_thirty_concurrent_passwords_are_compared(app: MailDeployment) -> None:
    session = app.register()

    outcomes = at_once([partial(change, app, session, "a guess")] * 30)

    assert sum(isinstance(outcome, InvalidCredentials) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 20


@in_memory_only
def test_a_right_password_clears_the_wrong_ones(app: MailDeployment) -> None:
    session = app.register()
    passwords = [PASSWORD, NEW, "A third horse 3"]
    for current, new in pairwise(passwords):
        for _ in range(9):
            with pytest.raises(InvalidCredentials):
                change(app, session, "a guess", "A fourth horse 4")
        change(app, session, current, new)

    assert password_works(app, passwords[-1], HOME)


@pytest.mark.covers("F28")
@in_memory_only
def test_a_password_is_not_compared_when_it_cannot_be_counted(app: MailDeployment) -> None:
    session = app.register()
    failing = FaultyStore(app.base.store, at=lambda call: call.keys[0].table == app.base.tables["RateLimits"])

    with pytest.raises(DependencyUnavailable):
        change(app.on(failing), session)

    assert password_works(app, PASSWORD)


@in_memory_only
def test_a_change_succeeds_when_the_count_cannot_be_cleared(app: MailDeployment) -> None:
    session = app.register()
    counters = app.base.tables["RateLimits"]
    committed: list[Call] = []

    def after_the_commit(call: Call) -> bool:
        committed.extend([call] if call.method == "commit" else [])
        return bool(committed) and call.keys[0].table == counters

    change(app.on(FaultyStore(app.base.store, at=after_the_commit)), session)

    assert "attempt_not_given_back" in app.base.recorded.events
    assert password_works(app, NEW)


def test_a_known_address_can_change_the_password_when_the_account_limit_is_reached(
    app_in_memory: MailDeployment,
) -> None:
    limit = Limit(name="account", attempts=3, window=timedelta(hours=1))  # security.md 24
    app = app_in_memory.with_choices(Choices(account=limit))
    app.register()
    session = app.base.sign_in.sign_in(by_email(BOB.email), HOME)
    for number in range(2):
        assert not password_works(app, "a guess", Client(address=f"198.51.100.{number + 100}"))
    with pytest.raises(TooManyAttempts):
        password_works(app, "a guess", Client(address="198.51.100.200"))

    change(app, session)

    assert password_works(app, NEW, HOME)


@in_memory_only
def test_guesses_at_a_new_password_are_limited_too(app: MailDeployment) -> None:
    session = app.register()
    change(app, session)
    for number in range(10):
        with pytest.raises(WrongPassword):
            change(app, session, "a guess", f"Another guess {number}")

    with pytest.raises(TooManyAttempts):
        change(app, session)
