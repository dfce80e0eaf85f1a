"""What several modules of unit tests begin with."""

import pytest

from tests.deployment import Deployment
from tests.unit.mail_fakes import MailDeployment, mailing


@pytest.fixture(autouse=True)
def namespace_of_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `template.yaml` sets; refusals are counted when they are worded."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "tests")


@pytest.fixture
def post(deployment: Deployment) -> MailDeployment:
    """On both databases in turn."""
    return mailing(deployment)


@pytest.fixture
def post_in_memory(deployment_in_memory: Deployment) -> MailDeployment:
    """For what no database could do differently."""
    return mailing(deployment_in_memory)
