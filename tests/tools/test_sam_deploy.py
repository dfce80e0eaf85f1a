"""`make deploy` builds for the processors that it deploys on, wherever they were chosen, and for no others."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from sam_deploy.__main__ import Deployment, main

DEFAULT: Final = "arm64"
OTHER: Final = "x86_64"

TEMPLATE: Final = f"""
Parameters:
  Stage: {{ Type: String, Default: default }}
  Architecture: {{ Type: String, Default: {DEFAULT}, AllowedValues: [{DEFAULT}, {OTHER}] }}
Resources:
  Users: {{ Type: AWS::DynamoDB::Table, Properties: {{ DeletionProtectionEnabled: {{ Ref: Stage }} }} }}
"""

SAM: Final = """#!/bin/sh
echo "$*" >> calls
test "$1" = "$FAILING" && exit 3
test "$1" = build || exit 0
mkdir -p "$5" && cp template.yaml "$5"
"""
"""Stands in for SAM CLI: writes down what it was told, and builds by copying."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose samconfig.toml chooses no processors."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    configure(tmp_path, {"default": {"global": 'Stage="default"'}})
    sam = tmp_path / "tools" / "bootstrap" / "sam"
    sam.parent.mkdir(parents=True)
    sam.write_text(SAM)
    sam.chmod(0o755)
    return tmp_path


def configure(root: Path, stages: dict[str, dict[str, Any]]) -> None:
    """Write a samconfig.toml with these overrides, by stage and command."""
    sections = [
        f"[{stage}.{command}.parameters]\nparameter_overrides = {json.dumps(overrides)}\n"
        for stage, commands in stages.items()
        for command, overrides in commands.items()
    ]
    (root / "samconfig.toml").write_text("".join(sections))


def calls(root: Path) -> list[list[str]]:
    return [shlex.split(line) for line in (root / "calls").read_text().splitlines()]


def chosen(root: Path, *arguments: str, stage: str = "default") -> str:
    return Deployment(root=root, stage=stage).architecture(arguments)


def test_the_template_says_what_nobody_chose(root: Path) -> None:
    assert chosen(root) == DEFAULT
    assert chosen(root, stage="no-such-stage") == DEFAULT
    (root / "samconfig.toml").unlink()
    assert chosen(root) == DEFAULT


@pytest.mark.parametrize("overrides", [f'Stage="x" Architecture="{OTHER}"', ["Stage=x", f"Architecture={OTHER}"]])
def test_a_stage_says_what_it_is_deployed_on(root: Path, overrides: str | Sequence[str]) -> None:
    configure(root, {"default": {"global": ""}, "production": {"global": overrides}})

    assert (chosen(root), chosen(root, stage="production")) == (DEFAULT, OTHER)


def test_an_answer_to_a_guided_deployment_goes_before_the_stage(root: Path) -> None:
    configure(root, {"default": {"global": f'Architecture="{DEFAULT}"', "deploy": f'Architecture="{OTHER}"'}})

    assert chosen(root) == OTHER


@pytest.mark.parametrize(
    "override",
    [f"Architecture={OTHER}", f'Architecture="{OTHER}"', f"ParameterKey=Architecture,ParameterValue={OTHER}"],
)
def test_the_command_line_goes_before_all(root: Path, override: str) -> None:
    configure(root, {"default": {"global": f'Architecture="{DEFAULT}"'}})

    assert chosen(root, "--no-confirm-changeset", "--parameter-overrides", "Stage=x", override) == OTHER


def test_overrides_on_the_command_line_leave_none_of_the_file_as_in_sam_cli(root: Path) -> None:
    configure(root, {"default": {"global": f'Architecture="{OTHER}"'}})

    assert chosen(root, "--parameter-overrides", "Stage=x") == DEFAULT


def test_a_deployment_is_built_for_what_it_is_deployed_on(root: Path) -> None:
    arguments = ["--parameter-overrides", f"Architecture={OTHER}"]

    status = main(["--stage", "staging", "deploy", "--", *arguments], root)

    built, deployed = calls(root)
    assert status == 0
    assert built[:5] == ["build", "--config-env", "staging", "--build-dir", ".aws-sam/build"]
    assert built[5:] == arguments
    assert deployed == ["deploy", "--config-env", "staging", *arguments]


def test_what_was_built_can_be_deployed_on_nothing_else(root: Path) -> None:
    main(["build", "--architecture", OTHER, "--into", "elsewhere"], root)

    template = yaml.safe_load((root / "elsewhere" / "template.yaml").read_text())
    parameter = template["Parameters"]["Architecture"]
    assert (parameter["Default"], parameter["AllowedValues"]) == (OTHER, [OTHER])
    assert f"{OTHER}: this was built for it" in parameter["ConstraintDescription"]
    assert template["Resources"] == yaml.safe_load(TEMPLATE)["Resources"]


def test_options_of_sam_cli_are_handed_on(root: Path) -> None:
    main(["build", "--", "--parallel"], root)
    main(["deploy", "--", "--guided"], root)

    built, _, deployed = calls(root)
    assert (built[-1], deployed[-1]) == ("--parallel", "--guided")


def test_nothing_is_deployed_that_could_not_be_built(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILING", "build")

    assert main(["deploy"], root) == 3

    assert [call[0] for call in calls(root)] == ["build"]


def test_a_deployment_that_fails_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILING", "deploy")

    assert main(["deploy"], root) == 3
