"""A registered account."""

import pytest
from gerbang.storage.accounts import User

from tests.unit.mail_deployment import MailDeployment


@pytest.fixture
def bob(post_in_memory: MailDeployment) -> User:
    return post_in_memory.register().user
