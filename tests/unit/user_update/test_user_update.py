"""gerbang.accounts.user_update: metadata, name, and several changes in one transaction."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import MailKind
from gerbang.storage.accounts import User
from gerbang.storage.metadata import MetadataTooLarge
from gerbang.storage.store import Gone

from tests.deployment import BOB
from tests.fakes import at_once
from tests.unit.access import password_works
from tests.unit.mail_deployment import MailDeployment
from tests.unit.user_update.steps import NEW, NEW_EMAIL, queued_kinds, registered, stored, update


def test_metadata_is_merged_at_the_top_level_and_null_removes_a_member(app: MailDeployment) -> None:
    session = app.register()
    update(app, session, metadata={"a": {"deep": 1}, "b": "é", "c": [1, 2]})

    returned = update(app, session, metadata={"a": {"other": 2}, "b": None})

    assert returned.user_metadata == {"a": {"other": 2}, "c": [1, 2]}
    assert stored(app, session) == returned
    assert returned.updated_at == app.base.clock()


def test_an_account_without_stored_metadata_can_get_some(app: MailDeployment) -> None:
    session = app.register()
    app.change(session.user, user_metadata=Gone())

    update(app, session, metadata={"a": 1})

    assert stored(app, session).user_metadata == {"a": 1}


def test_concurrent_changes_of_metadata_are_all_kept(app: MailDeployment) -> None:
    session = app.register()

    outcomes = at_once([partial(update, app, session, metadata={name: 1}) for name in "abc"])

    succeeded = {name for name, outcome in zip("abc", outcomes, strict=True) if isinstance(outcome, User)}
    assert succeeded
    assert stored(app, session).user_metadata.keys() == succeeded


def test_a_change_made_meanwhile_is_kept(app: MailDeployment) -> None:
    session = app.register()

    update(app.meanwhile(lambda: update(app, session, metadata={"a": 1})), session, metadata={"b": 2})

    assert stored(app, session).user_metadata == {"a": 1, "b": 2}


@pytest.mark.parametrize("size", [8 * 1024 + 1, 12_000])
def test_too_much_metadata_changes_nothing_and_queues_nothing(app_in_memory: MailDeployment, size: int) -> None:
    session = app_in_memory.register()
    before = stored(app_in_memory, session)

    with pytest.raises(MetadataTooLarge):
        update(app_in_memory, session, metadata={"a": "x" * (size - len('{"a":""}'))}, email=NEW_EMAIL, password=NEW)

    assert stored(app_in_memory, session) == before
    assert app_in_memory.queue.jobs == []


def test_metadata_of_eight_kibibytes_is_stored(app: MailDeployment) -> None:
    session = app.register()

    update(app, session, metadata={"a": "x" * (8 * 1024 - len('{"a":""}'))})

    assert len(str(stored(app, session).user_metadata["a"])) == 8 * 1024 - 8


def test_a_name_can_be_changed_and_removed(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()

    update(app_in_memory, session, name="Robert", metadata={"name": "Robert"})
    assert stored(app_in_memory, session).name == "Robert"

    update(app_in_memory, session, name="", metadata={"name": None})
    assert (stored(app_in_memory, session).name, stored(app_in_memory, session).user_metadata) == ("", {})


@pytest.mark.parametrize("changes", [{}, {"metadata": {}}, {"metadata": {"none": None}}, {"email": BOB.email}])
def test_an_update_that_changes_nothing_writes_nothing(app_in_memory: MailDeployment, changes: dict[str, Any]) -> None:
    session = app_in_memory.register()
    before = stored(app_in_memory, session)
    app_in_memory.base.clock.advance(timedelta(minutes=1))

    assert update(app_in_memory, session, **changes) == before
    assert stored(app_in_memory, session) == before
    assert app_in_memory.queue.jobs == []


def test_all_fields_are_changed_together(app: MailDeployment) -> None:
    session = registered(app, verified=True)

    returned = update(app, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1}, name="Robert")

    assert returned == stored(app, session)
    assert (returned.new_email, returned.user_metadata, returned.name, returned.epoch) == (
        NEW_EMAIL,
        {"a": 1},
        "Robert",
        1,
    )
    assert sorted(queued_kinds(app)) == sorted(
        [MailKind.EMAIL_CHANGE_NEW, MailKind.EMAIL_CHANGE_CURRENT, MailKind.PASSWORD_CHANGED]
    )
    app.deliver_queued()
    assert len(app.outbox.sent) == 3


def test_without_the_queue_nothing_is_written_or_counted(app: MailDeployment) -> None:
    session = app.register()
    before = stored(app, session)
    app.queue.is_down = True
    with pytest.raises(DependencyUnavailable):
        update(app, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1})
    assert stored(app, session) == before

    app.queue.is_down = False
    update(app, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1})

    after = stored(app, session)
    assert (after.new_email, after.user_metadata, after.epoch) == (NEW_EMAIL, {"a": 1}, before.epoch + 1)
    assert password_works(app, NEW)


def test_the_log_contains_no_address_password_or_metadata(app_in_memory: MailDeployment) -> None:
    session = registered(app_in_memory, verified=True)

    update(app_in_memory, session, email=NEW_EMAIL, password=NEW, metadata={"secret": "value"})

    events = app_in_memory.base.recorded.events
    assert {"user_updated", "password_changed", "email_change_requested"} <= set(events)
    logged = str(app_in_memory.base.recorded.notes)
    assert NEW_EMAIL not in logged
    assert NEW not in logged
    assert "value" not in logged
