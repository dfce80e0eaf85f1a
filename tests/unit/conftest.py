"""Fixtures of several modules of unit tests."""

import pytest

from tests.deployment import Deployment
from tests.fakes import RecordingLog
from tests.unit.mail_deployment import MailDeployment, with_mail


@pytest.fixture(autouse=True)
def namespace_of_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what `template.yaml` sets: errors are counted in metrics when they are rendered."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "tests")


@pytest.fixture
def app(deployment: Deployment) -> MailDeployment:
    """A deployment with mail: each test runs once in memory, and once on DynamoDB Local."""
    return with_mail(deployment)


@pytest.fixture
def app_in_memory(deployment_in_memory: Deployment) -> MailDeployment:
    """A deployment with mail in memory, for tests whose result does not depend on the database."""
    return with_mail(deployment_in_memory)


@pytest.fixture
def endpoint_log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    """What endpoints log. Nothing is written to standard output."""
    recorded = RecordingLog()
    monkeypatch.setattr("gerbang.http.endpoint.log_event", recorded)
    return recorded
