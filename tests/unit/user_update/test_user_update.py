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


def test_metadata_is_merged_at_the_top_level_and_null_removes_a_member(post: MailDeployment) -> None:
    session = post.register()
    update(post, session, metadata={"a": {"deep": 1}, "b": "é", "c": [1, 2]})

    returned = update(post, session, metadata={"a": {"other": 2}, "b": None})

    assert returned.user_metadata == {"a": {"other": 2}, "c": [1, 2]}
    assert stored(post, session) == returned
    assert returned.updated_at == post.base.clock()


def test_an_account_without_stored_metadata_can_get_some(post: MailDeployment) -> None:
    session = post.register()
    post.change(session.user, user_metadata=Gone())

    update(post, session, metadata={"a": 1})

    assert stored(post, session).user_metadata == {"a": 1}


def test_concurrent_changes_of_metadata_are_all_kept(post: MailDeployment) -> None:
    session = post.register()

    outcomes = at_once([partial(update, post, session, metadata={name: 1}) for name in "abc"])

    succeeded = {name for name, outcome in zip("abc", outcomes, strict=True) if isinstance(outcome, User)}
    assert succeeded
    assert stored(post, session).user_metadata.keys() == succeeded


def test_a_change_made_meanwhile_is_kept(post: MailDeployment) -> None:
    session = post.register()

    update(post.meanwhile(lambda: update(post, session, metadata={"a": 1})), session, metadata={"b": 2})

    assert stored(post, session).user_metadata == {"a": 1, "b": 2}


@pytest.mark.parametrize("size", [8 * 1024 + 1, 12_000])
def test_too_much_metadata_changes_nothing_and_queues_nothing(post_in_memory: MailDeployment, size: int) -> None:
    session = post_in_memory.register()
    before = stored(post_in_memory, session)

    with pytest.raises(MetadataTooLarge):
        update(post_in_memory, session, metadata={"a": "x" * (size - len('{"a":""}'))}, email=NEW_EMAIL, password=NEW)

    assert stored(post_in_memory, session) == before
    assert post_in_memory.queue.jobs == []


def test_metadata_of_eight_kibibytes_is_stored(post: MailDeployment) -> None:
    session = post.register()

    update(post, session, metadata={"a": "x" * (8 * 1024 - len('{"a":""}'))})

    assert len(str(stored(post, session).user_metadata["a"])) == 8 * 1024 - 8


def test_a_name_can_be_changed_and_removed(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()

    update(post_in_memory, session, name="Robert", metadata={"name": "Robert"})
    assert stored(post_in_memory, session).name == "Robert"

    update(post_in_memory, session, name="", metadata={"name": None})
    assert (stored(post_in_memory, session).name, stored(post_in_memory, session).user_metadata) == ("", {})


@pytest.mark.parametrize("changes", [{}, {"metadata": {}}, {"metadata": {"none": None}}, {"email": BOB.email}])
def test_an_update_that_changes_nothing_writes_nothing(post_in_memory: MailDeployment, changes: dict[str, Any]) -> None:
    session = post_in_memory.register()
    before = stored(post_in_memory, session)
    post_in_memory.base.clock.advance(timedelta(minutes=1))

    assert update(post_in_memory, session, **changes) == before
    assert stored(post_in_memory, session) == before
    assert post_in_memory.queue.jobs == []


def test_all_fields_are_changed_together(post: MailDeployment) -> None:
    session = registered(post, verified=True)

    returned = update(post, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1}, name="Robert")

    assert returned == stored(post, session)
    assert (returned.new_email, returned.user_metadata, returned.name, returned.epoch) == (
        NEW_EMAIL,
        {"a": 1},
        "Robert",
        1,
    )
    assert sorted(queued_kinds(post)) == sorted(
        [MailKind.EMAIL_CHANGE_NEW, MailKind.EMAIL_CHANGE_CURRENT, MailKind.PASSWORD_CHANGED]
    )
    post.deliver_queued()
    assert len(post.outbox.sent) == 3


def test_without_the_queue_nothing_is_written_or_counted(post: MailDeployment) -> None:
    session = post.register()
    before = stored(post, session)
    post.queue.is_down = True
    with pytest.raises(DependencyUnavailable):
        update(post, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1})
    assert stored(post, session) == before

    post.queue.is_down = False
    update(post, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1})

    after = stored(post, session)
    assert (after.new_email, after.user_metadata, after.epoch) == (NEW_EMAIL, {"a": 1}, before.epoch + 1)
    assert password_works(post, NEW)


def test_the_log_contains_no_address_password_or_metadata(post_in_memory: MailDeployment) -> None:
    session = registered(post_in_memory, verified=True)

    update(post_in_memory, session, email=NEW_EMAIL, password=NEW, metadata={"secret": "value"})

    events = post_in_memory.base.recorded.events
    assert {"user_updated", "password_changed", "email_change_requested"} <= set(events)
    logged = str(post_in_memory.base.recorded.notes)
    assert NEW_EMAIL not in logged
    assert NEW not in logged
    assert "value" not in logged
