"""`make build` and `make deploy`: they run SAM CLI, and add versions to functions if a setting needs them."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from sam_deploy import versions
from sam_deploy.__main__ import ROOT, Deployment, main

TEMPLATE: Final = f"""
Parameters:
  DeploymentPreference: {{ Type: String, Default: AllAtOnce }}
  SnapStart: {{ Type: String, Default: none }}
Rules:
  {versions.RULE}: {{ Assertions: [] }}
  Another: {{ Assertions: [] }}
Resources:
  Users: {{ Type: AWS::DynamoDB::Table }}
  ApiLoginFunction: {{ Type: AWS::Serverless::Function, Properties: {{ Handler: app.handler }} }}
  ApiMeFunction: {{ Type: AWS::Serverless::Function, Properties: {{ Handler: app.handler }} }}
"""

SAM: Final = """#!/bin/sh
echo "$*" >> calls
test "$1" = "$FAILING" && exit 3
test "$1" = build || exit 0
mkdir -p .aws-sam/build && cp template.yaml .aws-sam/build
"""
"""Replaces SAM CLI: records its arguments, and builds by copying the template."""

CANARY: Final = "Canary10Percent5Minutes"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose samconfig.toml has no deployment preference."""
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


def built(root: Path) -> dict[str, Any]:
    template: dict[str, Any] = yaml.safe_load((root / ".aws-sam/build/template.yaml").read_text())
    return template


def preference(root: Path, *arguments: str, stage: str = "default") -> str:
    return Deployment(root=root, stage=stage).settings(arguments)["DeploymentPreference"]


def test_the_default_comes_from_the_template(root: Path) -> None:
    assert preference(root) == "AllAtOnce"
    assert preference(root, stage="no-such-stage") == "AllAtOnce"
    (root / "samconfig.toml").unlink()
    assert preference(root) == "AllAtOnce"


@pytest.mark.parametrize(
    "overrides", [f'Stage="x" DeploymentPreference="{CANARY}"', ["Stage=x", f"DeploymentPreference={CANARY}"]]
)
def test_a_stage_sets_its_deployment_preference(root: Path, overrides: str | Sequence[str]) -> None:
    configure(root, {"default": {"global": ""}, "production": {"global": overrides}})

    assert (preference(root), preference(root, stage="production")) == ("AllAtOnce", CANARY)


def test_settings_of_a_guided_deployment_override_global_ones(root: Path) -> None:
    configure(root, {"default": {"global": "", "deploy": f'DeploymentPreference="{CANARY}"'}})

    assert preference(root) == CANARY


@pytest.mark.parametrize(
    "override",
    [
        f"DeploymentPreference={CANARY}",
        f'DeploymentPreference="{CANARY}"',
        f"ParameterKey=DeploymentPreference,ParameterValue={CANARY}",
    ],
)
def test_the_command_line_overrides_the_file(root: Path, override: str) -> None:
    assert preference(root, "--no-confirm-changeset", "--parameter-overrides", "Stage=x", override) == CANARY


def test_overrides_on_the_command_line_replace_all_of_the_file_like_in_sam_cli(root: Path) -> None:
    configure(root, {"default": {"global": f'DeploymentPreference="{CANARY}"'}})

    assert preference(root, "--parameter-overrides", "Stage=x") == "AllAtOnce"


def test_a_deployment_builds_first_and_uses_the_template_of_sam_cli(root: Path) -> None:
    status = main(["--stage", "staging", "deploy", "--", "--no-confirm-changeset"], root)

    assert status == 0
    assert calls(root) == [
        ["build", "--config-env", "staging"],
        ["deploy", "--config-env", "staging", "--no-confirm-changeset"],
    ]
    assert (root / ".aws-sam/build/template.yaml").read_text() == TEMPLATE


def test_a_gradual_deployment_publishes_versions_and_has_alarms(root: Path) -> None:
    configure(root, {"default": {"global": f'DeploymentPreference="{CANARY}"'}})

    main(["deploy"], root)

    template = built(root)
    login = template["Resources"]["ApiLoginFunction"]["Properties"]
    assert template["Rules"].keys() == {"Another"}
    assert login["AutoPublishAlias"] == "live"
    assert login["DeploymentPreference"]["Type"] == CANARY
    assert {"Ref": "ServerErrorsAlarm"} in login["DeploymentPreference"]["Alarms"]
    assert "SnapStart" not in login
    assert template["Resources"]["Users"] == {"Type": "AWS::DynamoDB::Table"}


@pytest.mark.parametrize(
    ("choice", "started"), [("sign-in", {"ApiLoginFunction"}), ("all", {"ApiLoginFunction", "ApiMeFunction"})]
)
def test_snap_start_covers_the_chosen_functions(root: Path, choice: str, started: set[str]) -> None:
    main(["deploy", "--", "--parameter-overrides", f"SnapStart={choice}"], root)

    functions = {
        name: resource["Properties"] for name, resource in built(root)["Resources"].items() if "Properties" in resource
    }
    assert {name for name, one in functions.items() if "SnapStart" in one} == started
    assert not any("DeploymentPreference" in one for one in functions.values())


def test_every_deployment_publishes_new_versions(root: Path) -> None:
    """Otherwise CloudFormation would keep the version with the old settings."""
    main(["build"], root)
    file = root / ".aws-sam/build/template.yaml"
    settings = {"DeploymentPreference": CANARY, "SnapStart": "none"}

    versions.publish(file, settings, release="2026-11-29T06:00:00Z")

    assert built(root)["Resources"]["ApiMeFunction"]["Properties"]["AutoPublishCodeSha256"] == "2026-11-29T06:00:00Z"


def test_options_of_sam_cli_are_passed_on(root: Path) -> None:
    main(["build", "--", "--use-container"], root)
    main(["deploy", "--", "--guided"], root)

    first, _, deployed = calls(root)
    assert (first[-1], deployed[-1]) == ("--use-container", "--guided")


def test_a_failed_build_is_not_deployed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILING", "build")

    assert main(["deploy"], root) == 3

    assert [call[0] for call in calls(root)] == ["build"]


def test_a_failed_deployment_is_reported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILING", "deploy")

    assert main(["deploy"], root) == 3


@pytest.mark.parametrize(
    ("makefile", "target"),
    [
        ("functions/Makefile", "build-JwksFunction"),
        ("layers/auth/Makefile", "build-AuthLayer"),
        ("layers/dependencies/Makefile", "build-DependenciesArmLayer"),
    ],
)
def test_a_build_without_python_says_what_to_install(tmp_path: Path, makefile: str, target: str) -> None:
    for tool in ("make", "sh", "dirname"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))

    done = subprocess.run(
        ["make", "-f", ROOT / makefile, target],
        env={"PATH": str(tmp_path), "ARTIFACTS_DIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    [sentence] = done.stderr.splitlines()
    assert "Python 3.13 is missing. Install it" in sentence
    assert done.returncode != 0


def test_a_build_without_pip_says_what_to_install(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "python"], check=True)
    for tool in ("make", "sh", "dirname"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    (tmp_path / "python3.13").symlink_to(tmp_path / "python" / "bin" / "python3.13")

    done = subprocess.run(
        ["make", "-f", ROOT / "layers/dependencies/Makefile", "build-DependenciesArmLayer"],
        env={"PATH": f"{tmp_path}/python/bin:{tmp_path}", "ARTIFACTS_DIR": str(tmp_path / "built")},
        cwd=ROOT / "layers" / "dependencies",
        capture_output=True,
        text=True,
        check=False,
    )

    sentence, *rest = done.stderr.splitlines()
    assert sentence.startswith(f"{tmp_path}/python/bin/python3.13 has no pip. Run `")
    assert "-m ensurepip` (Debian, Ubuntu: apt install python3-pip), or run sam build --use-container." in sentence
    assert [line for line in rest if not line.startswith("make:")] == []
    assert done.returncode != 0
