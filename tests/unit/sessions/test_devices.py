"""The sessions of a user: listing and ending them, describing devices, and the mail about a new device."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from typing import Final

import pytest
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis.botlaunch import own_sessions as botlaunch_sessions
from gerbang.apis.gotrue import own_sessions as gotrue_sessions
from gerbang.core.client import Client
from gerbang.core.user_agents import LONGEST_USER_AGENT, Device, read_device
from gerbang.mail.jobs import MailKind
from gerbang.sessions.own_sessions import NoSuchSession
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.devices import MOST_DEVICES, device_of, is_new_device, with_device
from gerbang.storage.families import Authentication
from gerbang.storage.store import Gone, Update

from tests.deployment import ALICE, BOB, HOME, Choices, Deployment, by_email
from tests.fakes import FakeClock
from tests.unit.access import session_works
from tests.unit.mail_deployment import MailDeployment, in_memory_only, with_mail

FIREFOX: Final = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
NEWER_FIREFOX: Final = FIREFOX.replace("128.0", "131.2")
IPHONE: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
HOME_FIREFOX: Final = Client(address="192.0.2.1", device=FIREFOX)
AWAY_IPHONE: Final = Client(address="198.51.100.7", device=IPHONE)


@pytest.fixture
def app(deployment: Deployment) -> MailDeployment:
    return with_mail(replace(deployment, choices=Choices(new_device_mail=True)))


@pytest.fixture
def bob(app: MailDeployment) -> SignedIn:
    """Bob with a verified address, signed in at home."""
    session = app.base.registration.register(BOB, HOME_FIREFOX).signed_in
    app.verify_email(session.user)
    return session


def sign_in(app: MailDeployment, client: Client) -> SignedIn:
    return app.base.sign_in.sign_in(by_email(BOB.email), client)


# Listing and ending


def test_sessions_are_listed_most_recently_used_first(app: MailDeployment, bob: SignedIn, clock: FakeClock) -> None:
    clock.advance(timedelta(minutes=1))
    other = sign_in(app, AWAY_IPHONE)
    clock.advance(timedelta(minutes=1))
    app.base.sessions.refresh(bob.tokens.refresh_token)

    listed = app.base.own_sessions.list(app.user(bob.user.user_id))

    assert [family.family_id for family in listed] == [bob.family_id, other.family_id]
    assert [(each.address, each.device, each.amr[0].method) for each in listed] == [
        (HOME_FIREFOX.address, FIREFOX, "password"),
        (AWAY_IPHONE.address, IPHONE, "password"),
    ]


def test_the_method_of_a_session_is_how_it_was_opened(app: MailDeployment, bob: SignedIn, clock: FakeClock) -> None:
    family = app.base.families.find(bob.user.user_id, bob.family_id)
    assert family is not None
    by_google = replace(family, amr=(Authentication(method="oauth", at=clock()),))
    raised = by_google.raised(Authentication(method="totp", at=clock()), factor_id="")
    linked, _ = app.base.families.reauthenticate(raised, "oauth", at=clock())  # when an identity is linked

    for each in (by_google, raised, linked):
        assert botlaunch_sessions.own_sessions([each], each)["data"][0]["method"] == "oauth"
        assert gotrue_sessions.own_sessions([each], each)["sessions"][0]["method"] == "oauth"


def test_only_active_sessions_of_the_user_are_listed(app: MailDeployment, bob: SignedIn, clock: FakeClock) -> None:
    app.register(ALICE)
    clock.advance(timedelta(days=6))
    other = sign_in(app, HOME_FIREFOX)
    clock.advance(timedelta(days=2))  # after the end of the first session

    assert [each.family_id for each in app.base.own_sessions.list(app.user(bob.user.user_id))] == [other.family_id]
    app.base.store.write(Update(app.users.key(bob.user.user_id), {"epoch": 7}))
    assert app.base.own_sessions.list(app.user(bob.user.user_id)) == ()


@pytest.mark.covers("101")
def test_ending_a_session_takes_effect_at_the_next_call_and_keeps_the_others(
    app: MailDeployment, bob: SignedIn
) -> None:
    other = sign_in(app, AWAY_IPHONE)

    app.base.own_sessions.end(app.user(bob.user.user_id), other.family_id)

    assert session_works(app, bob)
    assert not session_works(app, other)
    with pytest.raises(SessionEnded):
        app.base.sessions.refresh(other.tokens.refresh_token)


def test_only_an_active_session_of_the_user_can_be_ended(app: MailDeployment, bob: SignedIn) -> None:
    alice, user = app.register(ALICE), app.user(bob.user.user_id)
    app.base.own_sessions.end(user, bob.family_id)

    for session_id in (bob.family_id, alice.family_id, "", "nonsense", bob.family_id + "0", "00000000-0000-0000-0000"):
        with pytest.raises(NoSuchSession):
            app.base.own_sessions.end(user, session_id)

    assert session_works(app, alice)


def test_a_session_id_is_case_insensitive(app: MailDeployment, bob: SignedIn) -> None:
    app.base.own_sessions.end(app.user(bob.user.user_id), bob.family_id.upper())

    assert not session_works(app, bob)


# Descriptions of devices


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Ubuntu"),
        (IPHONE, "Mobile Safari on iOS"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36",
            "Chrome on macOS",
        ),
        ("curl/8.14.1", "curl"),
        ("", None),
        ("x" * 10_000, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_device_is_described_by_browser_and_system(user_agent: str, words: str | None) -> None:
    assert read_device(user_agent).words == words


@pytest.mark.covers("144")
@pytest.mark.parametrize(
    "user_agent",
    [
        "<b>Visit</b> https://evil.example/1.0",
        "Firefox/1.0 (https://evil.example)",
        "https://evil.example/5.0",
        "Mozilla/5.0 (X11; <script>alert(1)</script>) Firefox/1",
        "a\r\nBcc: eve@evil.example",
        "\u202egpj.exe/1",
    ],
)
def test_the_description_of_a_device_contains_no_link_or_markup(user_agent: str) -> None:
    device = read_device(user_agent)

    assert not set(device.words or "") & set("<>:/.@\r\n\u202e&\"'")


def test_a_device_without_a_browser_has_no_description() -> None:
    assert Device(browser=None, system=None).words is None
    assert Device(browser=None, system="iOS").short == "iOS"


# New devices


def test_a_new_device_is_another_browser_or_network_but_not_another_version(bob: SignedIn, app: MailDeployment) -> None:
    user = app.user(bob.user.user_id)

    assert not is_new_device(user, HOME_FIREFOX)
    assert not is_new_device(user, replace(HOME_FIREFOX, device=NEWER_FIREFOX))
    assert not is_new_device(user, replace(HOME_FIREFOX, address="192.0.99.99"))
    assert is_new_device(user, replace(HOME_FIREFOX, address="192.1.2.1"))
    assert is_new_device(user, replace(HOME_FIREFOX, device=IPHONE))


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1::1", "2001:db8:2:3::4", True),
        ("2001:db8:1::1", "2001:db9:1::1", False),
        ("2001:db8::/64", "2001:db8::1", True),
        ("::ffff:192.0.2.1", "192.0.9.9", True),
        ("unknown", "unknown", True),
        ("unknown", "192.0.2.1", False),
    ],
)
def test_a_device_is_recognised_by_its_network(one: str, other: str, is_same: bool) -> None:  # noqa: FBT001
    digests = {device_of("user", Client(address=address, device=FIREFOX)) for address in (one, other)}

    assert (len(digests) == 1) == is_same


def test_the_digest_of_a_device_depends_on_the_account_and_on_the_start_of_the_user_agent() -> None:
    assert device_of("one", HOME_FIREFOX) != device_of("other", HOME_FIREFOX)
    long = replace(HOME_FIREFOX, device="x" * LONGEST_USER_AGENT)
    assert device_of("one", long) == device_of("one", replace(long, device=long.device + "y"))


def test_only_the_newest_devices_are_stored(bob: SignedIn) -> None:
    user = bob.user
    for number in range(40):
        user = with_device(user, Client(address=f"10.{number}.0.1", device=FIREFOX))

    assert len(user.devices) == MOST_DEVICES
    assert not is_new_device(user, Client(address="10.39.0.1", device=FIREFOX))
    assert is_new_device(user, Client(address="10.0.0.1", device=FIREFOX))
    assert with_device(user, Client(address="10.39.0.1", device=FIREFOX)) is user


# The mail


def device_mails(app: MailDeployment) -> list[str]:
    return [job.email for job in app.queue.jobs if job.kind is MailKind.NEW_DEVICE]


def test_the_owner_gets_one_mail_about_a_new_device(app: MailDeployment, bob: SignedIn) -> None:
    for _ in range(3):
        sign_in(app, AWAY_IPHONE)
    sign_in(app, HOME_FIREFOX)
    [job] = app.queue.jobs
    app.deliver(job)
    app.deliver(job)

    [mail] = app.outbox.sent
    assert mail.to == BOB.email
    for text_part in ("Mobile Safari, iOS", AWAY_IPHONE.address, "2026-01-15 12:00 UTC"):
        assert text_part in mail.text
        assert text_part in mail.html
    assert bob.tokens.access_token not in mail.text


@in_memory_only
@pytest.mark.parametrize(
    "change",
    [
        lambda app, user: app.base.store.write(
            Update(
                app.users.key(user.user_id), {"email_verified_at": Gone()}
            )  # a stranger may have registered the address
        ),
        lambda app, user: app.base.store.write(Update(app.users.key(user.user_id), {"devices": "[]"})),
    ],
    ids=["unverified address", "first device"],
)
def test_no_mail_is_sent_about_an_unverified_address_or_the_first_device(
    app: MailDeployment, bob: SignedIn, change: Callable[[MailDeployment, User], object]
) -> None:
    change(app, bob.user)

    sign_in(app, AWAY_IPHONE)

    assert device_mails(app) == []


def test_no_mail_is_sent_if_the_setting_is_off(deployment: Deployment) -> None:
    app = with_mail(replace(deployment, choices=Choices(new_device_mail=False)))
    app.verify_email(app.base.registration.register(BOB, HOME_FIREFOX).signed_in.user)

    sign_in(app, AWAY_IPHONE)

    assert device_mails(app) == []


def test_a_wrong_password_on_a_new_device_sends_no_mail(app: MailDeployment, bob: SignedIn) -> None:
    with pytest.raises(InvalidCredentials):
        app.base.sign_in.sign_in(by_email(BOB.email, "wrong"), AWAY_IPHONE)

    assert device_mails(app) == []
    assert is_new_device(app.user(bob.user.user_id), AWAY_IPHONE)


@pytest.mark.usefixtures("bob")
def test_a_sign_in_succeeds_if_its_mail_cannot_be_queued(app: MailDeployment) -> None:
    app.queue.is_down = True

    assert session_works(app, sign_in(app, AWAY_IPHONE))
    assert "mail_not_queued" in app.base.recorded.events


@pytest.mark.usefixtures("bob")
def test_an_address_gets_at_most_five_device_mails_an_hour(app: MailDeployment) -> None:
    for number in range(8):
        assert session_works(app, sign_in(app, Client(address=f"10.{number}.0.1", device=FIREFOX)))

    assert len(device_mails(app)) == 5


def test_no_mail_is_sent_about_a_sign_in_that_was_not_stored(
    app: MailDeployment, bob: SignedIn, clock: FakeClock
) -> None:
    sign_in(app, AWAY_IPHONE)
    [job] = app.queue.jobs
    app.base.store.write(Update(app.users.key(bob.user.user_id), {"devices": "[]"}))

    app.mailer.deliver(job, queued_at=clock() - timedelta(hours=1))

    assert app.outbox.sent == []


def test_devices_of_guests_are_not_stored(app: MailDeployment) -> None:
    guest = app.guests.admit(HOME)

    assert app.user(guest.user.user_id).devices == ()
