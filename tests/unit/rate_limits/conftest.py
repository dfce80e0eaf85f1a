"""The limits of a deployment."""

import pytest
from gerbang.limits.rate_limits import RateLimits

from tests.deployment import Deployment


@pytest.fixture
def limits(deployment: Deployment) -> RateLimits:
    return deployment.rate_limits
