"""Administrators who call the endpoints with the secret key."""

import pytest

from tests.unit.administration.client import Admin
from tests.unit.mail_deployment import MailDeployment


@pytest.fixture
def admin(app: MailDeployment) -> Admin:
    return Admin(app.base)


@pytest.fixture
def admin_in_memory(app_in_memory: MailDeployment) -> Admin:
    return Admin(app_in_memory.base)
