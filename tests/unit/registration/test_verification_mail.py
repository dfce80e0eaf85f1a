"""gerbang.accounts.registration: the verification mail is queued before the account is stored."""

from copy import replace

import pytest
from gerbang.accounts.registration import EmailTaken
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import REGISTERED, MailKind
from gerbang.storage.accounts import Name, User

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME
from tests.fakes import Numbers
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_deployment import MailDeployment, new_app


def register_with_mail(app: MailDeployment) -> User:
    return app.registration.register_without_session(ALICE, HOME)


def test_a_registration_queues_its_verification_mail_once(app: MailDeployment) -> None:
    app = app.with_parts(new_number=Numbers(7, 7, 8))
    app.base.registration.register(BOB, HOME)

    alice = app.registration.register_without_session(replace(ALICE, locale="it"), HOME)

    (job,) = app.queue.jobs
    assert (job.kind, job.email, job.locale) == (MailKind.VERIFICATION_CODE, alice.email, "it")
    app.deliver(job)
    assert (app.outbox.last.to, app.outbox.last.locale) == (alice.email, "it")


@pytest.mark.covers("F24")
def test_without_the_queue_nothing_is_registered(app: MailDeployment, database: Database) -> None:
    app.queue.is_down = True
    with pytest.raises(DependencyUnavailable):
        register_with_mail(app)
    assert database.items("Users") == []

    app.queue.is_down = False
    alice = register_with_mail(app)

    assert [job.email for job in app.queue.jobs] == [alice.email]


def test_a_failed_registration_mails_nothing(app: MailDeployment) -> None:
    app.base.registration.register(ALICE, HOME)
    with pytest.raises(EmailTaken):
        register_with_mail(app)

    app.deliver_queued()

    assert app.outbox.sent == []


@pytest.mark.covers("F1")
def test_when_any_call_fails_a_stored_account_has_its_mail_queued() -> None:
    def scenario() -> Scenario:
        app = new_app()
        return Scenario(app, register_with_mail)

    for run in faulty_runs(scenario):
        here = run.deployment
        user_id = here.base.users.find_id(Name.EMAIL, "alice@example.com")
        jobs = [job for job in here.queue.jobs if job.payload == {REGISTERED: user_id}]
        assert len(jobs) == (user_id is not None), run


def test_without_a_mail_service_a_registration_mails_nothing(app: MailDeployment) -> None:
    app.base.registration.register(ALICE, HOME)

    assert app.queue.jobs == []
