"""`python -m sam_deploy build`: build the functions and layers; `python -m sam_deploy deploy`: build, then deploy.

The same as `sam build` and `sam deploy`, but with `DeploymentPreference` and `SnapStart`, which need versions of the
functions: see `versions`. A stage's settings are looked up as SAM CLI looks them up.

Arguments after `--` go to SAM CLI: to the build, or to the deployment. Exit status: SAM CLI's own.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gerbang_local.template import Template

from sam_deploy import versions

ROOT: Final = Path(__file__).parents[2]
SETTINGS: Final = ("DeploymentPreference", "SnapStart")
"""The template's parameters that need versions."""

_SAM: Final = "tools/bootstrap/sam"
_BUILT: Final = ".aws-sam/build"
_OVERRIDES: Final = "--parameter-overrides"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A stage of samconfig.toml, in a project's folder."""

    root: Path
    stage: str

    def settings(self, arguments: Sequence[str]) -> dict[str, str]:
        """Return the values of `SETTINGS` that `sam deploy` with these arguments deploys.

        As SAM CLI looks them up: `--parameter-overrides` if there are any, else those of samconfig.toml, where a
        section `deploy`, which `--guided` writes, goes before `global`; else the template's defaults.
        """
        chosen = " ".join(arguments) if _OVERRIDES in arguments else self._configured_overrides()
        template = Template.parse((self.root / "template.yaml").read_text("utf-8"))
        defaults = {name: str(template.parameters[name]["Default"]) for name in SETTINGS}
        return {name: _override(chosen, name) or default for name, default in defaults.items()}

    def build(self, arguments: Sequence[str]) -> int:
        """Build; return SAM CLI's exit status."""
        return self._sam("build", "--config-env", self.stage, *arguments)

    def deploy(self, arguments: Sequence[str], *, release: str) -> int:
        """Deploy what was built last, as *release* where there are versions; return SAM CLI's exit status."""
        settings = self.settings(arguments)
        if versions.are_needed(settings):
            versions.publish(self.root / _BUILT / "template.yaml", settings, release=release)
        return self._sam("deploy", "--config-env", self.stage, *arguments)

    def _configured_overrides(self) -> str:
        file = self.root / "samconfig.toml"
        sections: Mapping[str, Any] = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
        stage = sections.get(self.stage, {})
        commands = [stage.get(command, {}).get("parameters", {}) for command in ("deploy", "global")]
        found = next((one["parameter_overrides"] for one in commands if "parameter_overrides" in one), "")
        return found if isinstance(found, str) else " ".join(found)

    def _sam(self, *command: str) -> int:
        return subprocess.run([self.root / _SAM, *command], cwd=self.root, check=False).returncode


def _override(overrides: str, name: str) -> str | None:
    """Return a parameter's value, in both forms that SAM CLI takes: Name=Value and ParameterKey=,ParameterValue=."""
    found = re.search(rf"\b{name}(?:,ParameterValue)?=[\"']?([\w-]+)", overrides)
    return found[1] if found else None


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run the command of the arguments, and return the exit status."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    chosen, extra = _arguments(arguments[:end]), arguments[end + 1 :]
    deployment = Deployment(root=root, stage=chosen.stage)
    if chosen.command == "build":
        return deployment.build(extra)
    release = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return deployment.build([]) or deployment.deploy(extra, release=release)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sam_deploy", description="Build and deploy with SAM CLI.")
    parser.add_argument("--stage", default="default", help="a section of samconfig.toml (default %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build the functions and layers")
    commands.add_parser("deploy", help="build, and create or update the stack")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # at a prompt of SAM CLI, which prints its own message
        sys.exit(130)
