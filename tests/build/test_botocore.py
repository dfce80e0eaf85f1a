"""The trimmed botocore calls AWS exactly as the complete one does."""

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import trim
from sam_deploy import this_machine

from tests.build.artefacts import build_for

pytestmark = pytest.mark.build


def probed(path: str) -> dict[str, Any]:
    probe = str(Path(__file__).with_name("aws_probe.py"))
    answer = subprocess.run([sys.executable, "-I", "-S", "-B", probe, path], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.fixture(scope="module")
def complete() -> dict[str, Any]:
    return probed(sysconfig.get_paths()["purelib"])


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    return probed(str(build_for(this_machine()).layers["Dependencies"] / "python"))


def test_the_trimmed_botocore_has_exactly_the_services_that_functions_call() -> None:
    package = build_for(this_machine()).layers["Auth"] / "python" / "gerbang"
    sources = [source.read_text() for source in package.rglob("*.py")]
    called = {service for source in sources for service in re.findall(r"self\.client\(\"(\w+)\"\)", source)}

    assert called == set(trim.AWS_SERVICES)


def test_endpoints_are_the_same_in_every_partition(complete: dict[str, Any], built: dict[str, Any]) -> None:
    assert {partition for regions in built["endpoints"].values() for _, partition in regions.values()} == {
        "aws",
        "aws-cn",
        "aws-us-gov",
    }
    assert built["endpoints"] == complete["endpoints"]


def test_our_services_have_all_operations(complete: dict[str, Any], built: dict[str, Any]) -> None:
    assert built["operations"] == complete["operations"]


def test_requests_answers_errors_and_retries_are_the_same(complete: dict[str, Any], built: dict[str, Any]) -> None:
    tries = {len(outcome["sent"]) for outcomes in built["calls"].values() for outcome in outcomes}

    assert tries == {1, 3}
    assert built["calls"] == complete["calls"]
