"""gerbang.mail.mailer: which mail a job sends depends on the account at the time of delivery."""

import re
from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.limits.rate_limits import digest
from gerbang.mail.jobs import NEW_USER_METADATA, PROVIDER, REGISTERED, SLOT, SUBJECT, MailJob, MailKind
from gerbang.mail.mailer import WRITE_GRACE, AccountNotWritten
from gerbang.storage.accounts import Name
from gerbang.storage.one_time_codes import CodePurpose, Slot
from gerbang.storage.records import to_value
from gerbang.storage.store import Gone
from gerbang_local.declarations import template

from tests.deployment import BOB, SECOND
from tests.fakes import FakeClock
from tests.unit.mail.deliveries import TO_ACCOUNTS, UNKNOWN, prepare_account, redeem, stored_code
from tests.unit.mail_deployment import LINKED_SUBJECT, PAYLOADS, MailDeployment
from tests.unit.mail_fakes import Fate, code_in


def job_of_code_or_account(app: MailDeployment, email: str = BOB.email, **payload: str) -> MailJob:
    """A job for a sign-in code; a verified account's is stored in the recovery slot."""
    return replace(app.job(MailKind.SIGN_IN_CODE, email), payload={SLOT: "RECOVERY", **payload})


def test_a_recovery_code_is_stored_in_the_recovery_slot(
    app: MailDeployment,
) -> None:
    bob = app.register().user
    for kind in ("unverified", "verified"):
        code = app.mailed_code(kind=MailKind.RECOVERY_CODE)

        stored = stored_code(app, Slot.RECOVERY)
        assert stored is not None, kind
        assert app.maker.matches(stored.secret_hash, BOB.email, code)
        assert (stored.purpose, stored.new_user_metadata) == (CodePurpose.SIGN_IN, None)
        assert app.outbox.last.subject == "Reset your Toko password"
        app.verify_email(bob)
    assert stored_code(app, Slot.EMAIL) is None


def test_the_job_names_the_slot_of_a_verified_accounts_code(
    app_in_memory: MailDeployment,
) -> None:
    app_in_memory.verify_email(app_in_memory.register().user)

    app_in_memory.deliver(job_of_code_or_account(app_in_memory))

    assert app_in_memory.outbox.last.kind is MailKind.SIGN_IN_CODE
    assert stored_code(app_in_memory, Slot.RECOVERY) is not None
    assert stored_code(app_in_memory, Slot.EMAIL) is None


def test_an_unverified_account_gets_a_verification_mail_whose_code_drops_the_password(
    app_in_memory: MailDeployment,
) -> None:
    app_in_memory.register()

    app_in_memory.deliver(job_of_code_or_account(app_in_memory, new_user_metadata='{"a":1}'))

    stored = stored_code(app_in_memory, Slot.EMAIL)
    assert stored is not None
    assert (stored.purpose, stored.new_user_metadata) == (CodePurpose.SIGN_IN, None)
    assert app_in_memory.outbox.last.kind is MailKind.VERIFICATION_CODE
    assert stored_code(app_in_memory, Slot.RECOVERY) is None


def test_a_job_with_user_metadata_mails_a_code_that_creates_an_account(app: MailDeployment) -> None:
    job = job_of_code_or_account(app, UNKNOWN, new_user_metadata='{"name":"Zoë","n":[1,{"x":null}]}')

    app.deliver(job)
    app.deliver(job)

    (message,) = app.outbox.sent
    assert (message.kind, message.to, message.locale) == (MailKind.VERIFICATION_CODE, UNKNOWN, "en")
    assert "Zoë" not in message.text
    stored = stored_code(app, Slot.EMAIL, UNKNOWN)
    assert stored is not None
    assert app.maker.matches(stored.secret_hash, UNKNOWN, code_in(message))
    assert stored.new_user_metadata == {"name": "Zoë", "n": [1, {"x": None}]}
    assert app.base.recorded.notes[-1].fields == {"kind": "sign_in_code", "job_id": job.job_id}
    assert app.users.find_id(Name.EMAIL, UNKNOWN) is None


def test_a_job_without_user_metadata_mails_nothing_to_an_unknown_address(app_in_memory: MailDeployment) -> None:
    app_in_memory.deliver(job_of_code_or_account(app_in_memory, UNKNOWN))

    assert app_in_memory.outbox.sent == []
    assert app_in_memory.base.recorded.events[-1] == "mail_not_owed"


@pytest.mark.parametrize("kind", [kind for kind in TO_ACCOUNTS if kind is not MailKind.SIGN_IN_CODE])
def test_only_a_sign_in_code_goes_to_an_unknown_address(app_in_memory: MailDeployment, kind: MailKind) -> None:
    payload = {NEW_USER_METADATA: "{}", SLOT: "RECOVERY"}
    app_in_memory.deliver(replace(app_in_memory.job(kind, UNKNOWN), payload=payload))

    assert app_in_memory.outbox.sent == []


def test_a_disabled_account_gets_no_code_that_creates_an_account(app_in_memory: MailDeployment) -> None:
    app_in_memory.disable(app_in_memory.register().user)

    app_in_memory.deliver(job_of_code_or_account(app_in_memory, new_user_metadata="{}"))

    assert app_in_memory.outbox.sent == []


def test_unknown_fields_of_the_payload_are_ignored(app_in_memory: MailDeployment) -> None:
    app_in_memory.deliver(job_of_code_or_account(app_in_memory, UNKNOWN, new_user_metadata="{}", link="x"))

    assert len(app_in_memory.outbox.sent) == 1


def test_a_rejected_mail_to_an_unknown_address_is_logged_with_its_job_id(
    app_in_memory: MailDeployment,
) -> None:
    app_in_memory.outbox.fates = [Fate.REJECTED]
    job = job_of_code_or_account(app_in_memory, UNKNOWN, new_user_metadata="{}")

    app_in_memory.deliver(job)

    (note,) = [note for note in app_in_memory.base.recorded.notes if note.event == "mail_refused"]
    assert note.fields == {"kind": "sign_in_code", "job_id": job.job_id, "why": "MessageRejected"}


@pytest.mark.parametrize("kind", [MailKind.VERIFICATION_CODE, MailKind.ACCOUNT_EXISTS])
def test_an_unverified_address_gets_the_code_and_a_verified_one_the_notice(
    app_in_memory: MailDeployment, kind: MailKind
) -> None:
    bob = app_in_memory.register().user
    to_unverified, to_verified = app_in_memory.job(kind), app_in_memory.job(kind)

    app_in_memory.deliver(to_unverified)
    before = len(app_in_memory.outbox.sent)
    app_in_memory.verify_email(bob)
    app_in_memory.deliver(to_verified)

    assert before == (kind is MailKind.VERIFICATION_CODE)
    assert len(app_in_memory.outbox.sent) == 1


def test_the_account_exists_notice_has_no_code_and_no_link(app_in_memory: MailDeployment) -> None:
    app_in_memory.verify_email(app_in_memory.register().user)

    app_in_memory.deliver(app_in_memory.job(MailKind.ACCOUNT_EXISTS))

    text = app_in_memory.outbox.last.text
    assert "already have" in text
    assert re.search(r"[0-9]{6}|://", text) is None


# The mail of a registration is queued before its account is written


def job_of_registration(app: MailDeployment, user_id: str) -> MailJob:
    return replace(app.job(MailKind.VERIFICATION_CODE), payload={REGISTERED: user_id})


def test_a_mail_waits_until_its_account_is_written(app: MailDeployment) -> None:
    job = job_of_registration(app, "00000001-0000-4000-8000-000000000001")
    with pytest.raises(AccountNotWritten):
        app.deliver(job)
    bob = app.register().user

    app.deliver(replace(job, payload={REGISTERED: bob.user_id}))

    assert [message.to for message in app.outbox.sent] == [BOB.email]


def test_the_mail_of_a_failed_registration_is_dropped(app_in_memory: MailDeployment, clock: FakeClock) -> None:
    job = job_of_registration(app_in_memory, "00000001-0000-4000-8000-000000000001")
    clock.advance(WRITE_GRACE - SECOND)
    with pytest.raises(AccountNotWritten):
        app_in_memory.deliver(job)
    clock.advance(SECOND)

    app_in_memory.deliver(job)

    assert app_in_memory.base.recorded.events[-1] == "mail_not_owed"


def test_a_failed_registration_mails_nothing_to_the_existing_account(
    app: MailDeployment,
) -> None:
    app.register()

    app.deliver(job_of_registration(app, "ffffffff-0000-4000-8000-000000000001"))

    assert app.outbox.sent == []
    assert app.base.recorded.events[-1] == "mail_not_owed"


def test_the_mailer_waits_longer_than_a_registration_can_take() -> None:
    registering = template().resources["AtourinRegisterFunction"]

    assert timedelta(seconds=registering.properties["Timeout"]) < WRITE_GRACE


# Notices about identities, and reauthentication codes


@pytest.mark.parametrize(
    "kind",
    [MailKind.IDENTITY_LINKED, MailKind.IDENTITY_UNLINKED, MailKind.REAUTHENTICATION_CODE, MailKind.NEW_DEVICE],
)
def test_an_unverified_address_gets_no_notices_and_no_reauthentication_codes(
    app_in_memory: MailDeployment, kind: MailKind
) -> None:
    bob = app_in_memory.register().user
    prepare_account(app_in_memory, kind, bob)
    app_in_memory.change(bob, email_verified_at=Gone())

    app_in_memory.deliver(app_in_memory.job(kind))

    assert app_in_memory.outbox.sent == []


LINKED, UNLINKED = MailKind.IDENTITY_LINKED, MailKind.IDENTITY_UNLINKED
OF_THE_PASSWORD = {PROVIDER: "email", SUBJECT: digest("")}


@pytest.mark.parametrize(
    ("kind", "subjects"),
    [(LINKED, {"google": LINKED_SUBJECT}), (UNLINKED, {"google": "another"}), (UNLINKED, {})],
)
def test_an_identity_notice_is_sent_once_the_account_is_changed(
    app_in_memory: MailDeployment, kind: MailKind, subjects: dict[str, str]
) -> None:
    app, bob = app_in_memory, app_in_memory.register().user
    app.verify_email(bob)
    app.change(bob, subjects=to_value(subjects))

    app.deliver(app.job(kind))

    assert app.outbox.last.kind is kind


@pytest.mark.parametrize(
    ("kind", "payload", "subjects"),
    [
        (LINKED, PAYLOADS[LINKED], {"google": "another"}),
        (LINKED, PAYLOADS[LINKED], {"apple": LINKED_SUBJECT}),
        (LINKED, PAYLOADS[LINKED], {}),
        (UNLINKED, PAYLOADS[UNLINKED], {"google": "1002"}),
        (UNLINKED, OF_THE_PASSWORD, {}),
    ],
)
def test_an_identity_notice_is_dropped_if_the_account_is_not_changed_in_time(
    app_in_memory: MailDeployment, kind: MailKind, payload: dict[str, str], subjects: dict[str, str]
) -> None:
    app, bob = app_in_memory, app_in_memory.register().user
    app.verify_email(bob)
    app.change(bob, subjects=to_value(subjects))
    job = replace(app.job(kind), payload=payload)

    with pytest.raises(AccountNotWritten):
        app.deliver(job)
    app.base.clock.advance(WRITE_GRACE)
    app.deliver(job)

    assert app.outbox.sent == []


def test_unlinking_the_password_has_its_own_notice(app_in_memory: MailDeployment) -> None:
    app, bob = app_in_memory, app_in_memory.register().user
    app.verify_email(bob)
    app.change(bob, password_hash=Gone())

    app.deliver(replace(app.job(MailKind.IDENTITY_UNLINKED), payload=OF_THE_PASSWORD))

    assert "password was removed" in app.outbox.last.subject


def test_a_reauthentication_code_has_its_own_slot(app_in_memory: MailDeployment) -> None:
    app, bob = app_in_memory, app_in_memory.register().user
    app.verify_email(bob)

    code = app.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)

    stored = app.codes.read(app.base.store.get(app.codes.key(Slot.REAUTHENTICATION, digest(BOB.email))))
    assert stored is not None
    assert stored.purpose is CodePurpose.REAUTHENTICATION
    assert app.maker.matches(stored.secret_hash, BOB.email, code)
    with pytest.raises(InvalidCode):
        redeem(app, code)
