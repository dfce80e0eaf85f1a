"""The API does what its OpenAPI document says, for requests that schemathesis makes up. `make fuzz` runs it longer."""

from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.__main__ import fuzz

SECONDS: Final = 90
"""Starting and the checks that must run take about 40 of them."""


@pytest.mark.timeout(300)
def test_the_api_does_what_its_document_says(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, printed = fuzz(tmp_path, seconds=SECONDS)

    assert status == 0, capfd.readouterr().out
    assert "Traceback" not in printed
