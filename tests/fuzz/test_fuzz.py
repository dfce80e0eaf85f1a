"""The API follows its OpenAPI document for requests that schemathesis generates. `make fuzz` runs longer."""

from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.__main__ import fuzz

SECONDS: Final = 90
"""The start and the mandatory checks take about 40 seconds."""


@pytest.mark.timeout(300)
def test_the_api_follows_its_openapi_document(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, printed = fuzz(tmp_path, seconds=SECONDS)

    assert status == 0, capfd.readouterr().out
    assert "Traceback" not in printed
