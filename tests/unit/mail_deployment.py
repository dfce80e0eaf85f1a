"""A deployment whose mails a test reads, in memory or on another store."""

from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import UUID

import pytest
from gerbang.accounts.code_sign_in import CodeSignIn
from gerbang.accounts.email_change import EmailChange
from gerbang.accounts.guests import Guests
from gerbang.accounts.identity_sign_in import IdentitySignIn
from gerbang.accounts.password_change import PasswordChange
from gerbang.accounts.password_reset import PasswordReset
from gerbang.accounts.registration import NewAccount, Registration
from gerbang.core.client import Client
from gerbang.core.clock import to_epoch
from gerbang.core.identifiers import public_id
from gerbang.limits.rate_limits import digest
from gerbang.mail.codes import CodeMaker, ResetTokens
from gerbang.mail.jobs import (
    CLIENT_ADDRESS,
    DEVICE,
    INVITATION,
    ORGANIZATION,
    PROVIDER,
    SUBJECT,
    USER_AGENT,
    MailJob,
    MailKind,
)
from gerbang.mail.mailer import Mailer
from gerbang.mail.organization_invitations import INVITATION_LIFETIME
from gerbang.mail.service import MailService
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.mail_deliveries import MailDeliveryTable
from gerbang.storage.one_time_codes import OneTimeCodeTable
from gerbang.storage.organizations import Invitation, Membership, Organization
from gerbang.storage.store import Change, Item, Plus, Store, Update, Written
from gerbang.storage.users import UserTable

from tests.conftest import Database, deployed_on, in_memory
from tests.deployment import BOB, Choices, Deployment
from tests.fakes import Call, FakeClock, FakeSecret, MeanwhileStore, RecordingLog
from tests.unit.mail_fakes import FakeOutbox, RecordingQueue, code_in, token_in

ELSEWHERE: Final = Client(address="203.0.113.201")
"""The client that registers accounts in helpers. No test counts its requests."""


in_memory_only: Final = pytest.mark.parametrize("database", ["memory"], indirect=True)
"""Marks tests whose result does not depend on the database, or that run on both databases elsewhere."""


LINKED_SUBJECT: Final = "1001"
INVITATION_ID: Final = public_id("inv", UUID(int=1))
NEW_DEVICE: Final = "0123456789ab"
PAYLOADS: Final[Mapping[MailKind, Mapping[str, str]]] = {
    MailKind.IDENTITY_LINKED: {PROVIDER: "google", SUBJECT: digest(LINKED_SUBJECT)},
    MailKind.IDENTITY_UNLINKED: {PROVIDER: "google", SUBJECT: digest("1002")},
    MailKind.ORGANIZATION_INVITATION: {ORGANIZATION: "org_1", INVITATION: INVITATION_ID},
    MailKind.NEW_DEVICE: {DEVICE: NEW_DEVICE, USER_AGENT: "curl/8.14.1", CLIENT_ADDRESS: "203.0.113.9"},
}
"""The payloads of jobs of these kinds in tests."""


def write_invitation(app: "MailDeployment", email: str = BOB.email) -> Invitation:
    """Write an organisation whose owner has no account, and the invitation of `PAYLOADS` to it."""
    now, table = app.base.clock(), app.base.organization_table
    owner = Membership(organization_id="org_1", user_id="no-account", role="CLIENT_OWNER", since=now)
    invitation = Invitation(
        invitation_id=INVITATION_ID,
        organization_id="org_1",
        email=email,
        email_as_typed=email,
        role="CLIENT_MEMBER",
        invited_by="3c662a10-d9b1-438c-bfa7-eac70051f5ac",
        created_at=now,
        expires_at=now + INVITATION_LIFETIME,
    )
    organization = Organization(organization_id="org_1", name="Acme", created_at=now)
    app.base.store.commit(*table.creation(organization, owner), table.invitation_creation(invitation))
    return invitation


@dataclass(frozen=True, kw_only=True)
class MailDeployment:
    """A deployment with a mail queue and an outbox that a test reads."""

    base: Deployment
    job_ids: Callable[[], str]
    queued_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When `job` made each job."""

    def with_parts(self, **parts: Any) -> "MailDeployment":
        """The same deployment, with some parts of its container replaced."""
        return replace(self, base=replace(self.base, **parts))

    def on(self, store: Store) -> "MailDeployment":
        """The same deployment, on another store."""
        return self.with_parts(store=store)

    def with_choices(self, choices: Choices) -> "MailDeployment":
        """The same deployment, with other settings."""
        return self.with_parts(choices=choices)

    def meanwhile(
        self, happens: Callable[[], object], before: Callable[[Call], bool] = lambda call: call.method == "commit"
    ) -> "MailDeployment":
        """The same deployment, with something that happens just before the first commit, or before another call."""
        return self.on(MeanwhileStore(self.base.store, before=before, happens=happens))

    @property
    def queue(self) -> RecordingQueue:
        queue = self.base.mail_queue
        assert isinstance(queue, RecordingQueue)
        return queue

    @property
    def outbox(self) -> FakeOutbox:
        outbox = self.base.outbox
        assert isinstance(outbox, FakeOutbox)
        return outbox

    @property
    def users(self) -> UserTable:
        return self.base.users

    @property
    def codes(self) -> OneTimeCodeTable:
        return self.base.codes

    @property
    def deliveries(self) -> MailDeliveryTable:
        return self.base.mail_deliveries

    @property
    def maker(self) -> CodeMaker:
        return self.base.code_maker

    @property
    def reset_tokens(self) -> ResetTokens:
        return self.base.reset_tokens

    @property
    def mailer(self) -> Mailer:
        return self.base.mailer

    @property
    def mail_service(self) -> MailService:
        return self.base.mail_service

    @property
    def registration(self) -> Registration:
        """Registration that mails a verification code, as Atourin's endpoint does."""
        return self.base.registration_with_mail

    @property
    def code_sign_in(self) -> CodeSignIn:
        return self.base.code_sign_in

    @property
    def guests(self) -> Guests:
        return self.base.guests

    @property
    def google(self) -> IdentitySignIn:
        return self.base.identity_sign_in

    @property
    def password_reset(self) -> PasswordReset:
        return self.base.password_reset

    @property
    def password_change(self) -> PasswordChange:
        return self.base.password_change

    @property
    def email_change(self) -> EmailChange:
        return self.base.email_change

    def register(self, new: NewAccount = BOB) -> SignedIn:
        """Register an account; return its first session."""
        return self.base.registration.register(new, ELSEWHERE).signed_in

    def register_verified(self, new: NewAccount = BOB) -> SignedIn:
        """Register an account with a verified address; return its first session."""
        session = self.register(new)
        self.verify_email(session.user)
        return session

    def job(self, kind: MailKind, email: str = BOB.email, locale: str | None = None) -> MailJob:
        """Make a job that is later than all jobs before it."""
        self.base.clock.advance(timedelta(seconds=1))
        payload = PAYLOADS.get(kind, {})
        job = MailJob(job_id=self.job_ids(), kind=kind, email=email, locale=locale, payload=payload)
        self.queued_at[job.job_id] = self.base.clock()
        return job

    def deliver(self, job: MailJob) -> None:
        """Deliver a job as the queue does: now, with the time at which it was made."""
        self.mailer.deliver(job, queued_at=self.queued_at.get(job.job_id, self.base.clock()))

    def deliver_queued(self) -> None:
        """Deliver every job in the queue. The jobs stay in the queue."""
        for job in self.queue.jobs:
            self.deliver(job)

    def mailed_code(self, email: str = BOB.email, kind: MailKind = MailKind.SIGN_IN_CODE) -> str:
        """Have a code mailed; return it."""
        self.deliver(self.job(kind, email))
        return code_in(self.outbox.last)

    def mailed_token(self, email: str = BOB.email) -> str:
        """Have a reset token mailed; return it."""
        self.deliver(self.job(MailKind.PASSWORD_RESET, email))
        return token_in(self.outbox.last)

    def user(self, user_id: str) -> User:
        """The current state of an account."""
        user = self.base.users.find(user_id)
        assert user is not None
        return user

    def change(self, user: User, **changes: Change) -> None:
        """Change attributes of a stored account."""
        assert isinstance(self.base.store.write(Update(self.base.users.key(user.user_id), changes)), Written)

    def verify_email(self, user: User) -> None:
        """Mark the account's address as verified."""
        self.change(user, email_verified_at=to_epoch(self.base.clock()))

    def end_sessions(self, user: User) -> None:
        """End every session of an account, as a password reset does."""
        self.change(user, epoch=Plus(1))

    def disable(self, user: User) -> None:
        """Disable an account as an operator does."""
        self.change(user, disabled_at=to_epoch(self.base.clock()), epoch=Plus(1))


def with_mail(base: Deployment) -> MailDeployment:
    """A deployment with an empty queue and an empty outbox."""
    numbers = count(1)
    return MailDeployment(
        base=replace(base, mail_queue=RecordingQueue(), outbox=FakeOutbox()),
        job_ids=lambda: f"job-{next(numbers):04d}",
    )


def new_app() -> MailDeployment:
    """A new deployment in memory, with an empty queue and an empty outbox."""
    return with_mail(deployed_on(in_memory(), clock=FakeClock(), log_event=RecordingLog(), secret=FakeSecret()))


def is_nowhere(database: Database, text: str) -> bool:
    """Return whether a text is in no attribute of any item of any table."""
    items: list[Item] = [item for name in database.tables for item in database.items(name)]
    return bool(items) and not any(text in str(value) for item in items for value in item.values())
