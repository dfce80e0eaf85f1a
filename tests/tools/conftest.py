"""Imports into the tables of a deployment, and into memory."""

from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.fakes import FakeClock, MemoryStore
from tests.tools.imports import (
    Import,
    import_into,
)


@pytest.fixture
def run_import(deployment: Deployment, tmp_path: Path) -> Import:
    return import_into(deployment.store, tmp_path, tables=deployment.tables, now=deployment.clock)


@pytest.fixture
def import_in_memory(clock: FakeClock, tmp_path: Path) -> Import:
    return import_into(MemoryStore(), tmp_path, now=clock)
