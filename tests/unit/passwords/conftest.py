"""A registered account."""

import pytest
from gerbang.storage.accounts import User

from tests.unit.mail_deployment import MailDeployment


@pytest.fixture
def bob(app_in_memory: MailDeployment) -> User:
    return app_in_memory.register().user
