"""The settings in samconfig.toml that `make deploy` uses."""

import shlex
import tomllib
from typing import Any

import pytest
from gerbang_local.declarations import template
from gerbang_local.template import chosen_parameters

from tests.deploy.stacks import ROOT

STAGES = ("default", "staging", "production")


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The section of a stage, with its `name`."""
    section: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))[request.param]
    return {"name": request.param, **section}


def words(text: str) -> dict[str, str]:
    """Parse `Name="value" ...` as SAM CLI does."""
    return dict(word.split("=", 1) for word in shlex.split(text))


def test_a_stage_sets_existing_parameters_to_valid_values(stage: dict[str, Any]) -> None:
    overrides = words(stage["global"]["parameters"]["parameter_overrides"])

    chosen = chosen_parameters(template(), overrides)  # raises an error where CloudFormation would

    assert chosen["Stage"] == stage["name"]


def test_a_stage_can_be_deployed_without_prompts(stage: dict[str, Any]) -> None:
    settings = stage["global"]["parameters"] | stage["deploy"]["parameters"]

    assert settings["capabilities"] == "CAPABILITY_IAM"
    assert settings["resolve_s3"] is True
    assert words(settings["tags"])["stage"] == stage["name"]


def test_a_stage_sets_the_three_values_that_the_readme_names(stage: dict[str, Any]) -> None:
    overrides = words(stage["global"]["parameters"]["parameter_overrides"])

    assert {"ProductName", "MailSender", "SiteUrl"} <= overrides.keys()


def test_a_stage_is_built_with_the_settings_of_sam_init(stage: dict[str, Any]) -> None:
    """`sam init` of SAM CLI 1.170 sets cached and parallel builds, lint, and a bucket that SAM CLI manages."""
    assert stage["build"]["parameters"] == {"cached": True, "parallel": True}
    assert stage["validate"]["parameters"] == {"lint": True}
    assert stage["package"]["parameters"] == {"resolve_s3": True}


def test_each_stage_has_its_own_stack() -> None:
    sections = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))

    names = {sections[stage]["global"]["parameters"]["stack_name"] for stage in STAGES}

    assert len(names) == len(STAGES)


def test_production_has_deletion_protection() -> None:
    production = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))["production"]

    assert words(production["global"]["parameters"]["parameter_overrides"])["DeletionProtection"] == "true"
