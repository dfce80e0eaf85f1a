"""Administrators who call the endpoints with the secret key."""

import pytest

from tests.unit.administration.client import Admin
from tests.unit.mail_deployment import MailDeployment


@pytest.fixture
def admin(post: MailDeployment) -> Admin:
    return Admin(post.base)


@pytest.fixture
def admin_in_memory(post_in_memory: MailDeployment) -> Admin:
    return Admin(post_in_memory.base)
