"""What `make deploy` takes from samconfig.toml."""

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
    """A stage's section, with its `name`."""
    section: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))[request.param]
    return {"name": request.param, **section}


def words(text: str) -> dict[str, str]:
    """Take `Name="value" ...` apart, as SAM CLI does."""
    return dict(word.split("=", 1) for word in shlex.split(text))


def test_a_stage_sets_parameters_that_there_are_to_values_that_they_take(stage: dict[str, Any]) -> None:
    overrides = words(stage["global"]["parameters"]["parameter_overrides"])

    chosen = chosen_parameters(template(), overrides)  # raises what CloudFormation would refuse

    assert chosen["Stage"] == stage["name"]


def test_a_stage_can_be_deployed_without_being_asked_anything(stage: dict[str, Any]) -> None:
    settings = stage["global"]["parameters"] | stage["deploy"]["parameters"]

    assert settings["capabilities"] == "CAPABILITY_IAM"
    assert settings["resolve_s3"] is True
    assert words(settings["tags"])["stage"] == stage["name"]


def test_a_stage_says_the_three_values_that_the_readme_names(stage: dict[str, Any]) -> None:
    overrides = words(stage["global"]["parameters"]["parameter_overrides"])

    assert {"ProductName", "MailSender", "SiteUrl"} <= overrides.keys()


def test_a_stage_is_built_as_sam_init_has_it(stage: dict[str, Any]) -> None:
    """Of `sam init` in SAM CLI 1.170: cached and parallel builds, lint, and a bucket that SAM CLI looks after."""
    assert stage["build"]["parameters"] == {"cached": True, "parallel": True}
    assert stage["validate"]["parameters"] == {"lint": True}
    assert stage["package"]["parameters"] == {"resolve_s3": True}


def test_stages_are_stacks_of_their_own() -> None:
    sections = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))

    names = {sections[stage]["global"]["parameters"]["stack_name"] for stage in STAGES}

    assert len(names) == len(STAGES)


def test_production_is_protected_from_being_deleted() -> None:
    production = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))["production"]

    assert words(production["global"]["parameters"]["parameter_overrides"])["DeletionProtection"] == "true"
