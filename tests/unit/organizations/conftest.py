"""An organization on both databases."""

import pytest

from tests.deployment import Deployment
from tests.unit.mail_deployment import with_mail
from tests.unit.teams import Team


@pytest.fixture
def team(deployment: Deployment) -> Team:
    return Team.create(with_mail(deployment))
