"""`python -m sam_deploy build`: build the functions and layers; `python -m sam_deploy deploy`: build, then deploy.

SAM CLI reads the architecture from different places when it builds and when it deploys: an answer to `--guided`, or a
value after `--parameter-overrides`, reaches `sam deploy` only. So it is looked up here for both, and the built template
accepts no other: CloudFormation would deploy wheels for arm64 on x86_64 without an error.

Arguments after `--` go to SAM CLI: to the build, or to the deployment. Exit status: SAM CLI's own.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from gerbang_local.template import Template

ROOT: Final = Path(__file__).parents[2]
PARAMETER: Final = "Architecture"
"""The template's parameter that names the architecture."""

_SAM: Final = "tools/bootstrap/sam"
_OVERRIDES: Final = "--parameter-overrides"
# Both forms that SAM CLI takes: Name=Value and ParameterKey=Name,ParameterValue=Value; values may be quoted.
_CHOSEN: Final = re.compile(rf"\b{PARAMETER}(?:,ParameterValue)?=[\"']?(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A stage of samconfig.toml, in a project's folder."""

    root: Path
    stage: str

    def architecture(self, arguments: Sequence[str]) -> str:
        """Return the architecture that `sam deploy` with these arguments deploys.

        As SAM CLI looks them up: `--parameter-overrides` if there are any, else those of samconfig.toml, where a
        section `deploy`, which `--guided` writes, goes before `global`; else the template's default.
        """
        chosen = " ".join(arguments) if _OVERRIDES in arguments else self._configured_overrides()
        found = _CHOSEN.search(chosen)
        return found[1] if found else self._default()

    def build(self, architecture: str, folder: str, arguments: Sequence[str]) -> int:
        """Build for this architecture into a folder; return SAM CLI's exit status."""
        options = ["--config-env", self.stage, "--build-dir", folder, _OVERRIDES, f"{PARAMETER}={architecture}"]
        status = self._sam("build", *options, *arguments)
        if status == 0:
            hold_to(architecture, self.root / folder / "template.yaml")
        return status

    def deploy(self, arguments: Sequence[str]) -> int:
        """Deploy what was built last; return SAM CLI's exit status."""
        return self._sam("deploy", "--config-env", self.stage, *arguments)

    def _configured_overrides(self) -> str:
        file = self.root / "samconfig.toml"
        sections: Mapping[str, Any] = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
        stage = sections.get(self.stage, {})
        commands = [stage.get(command, {}).get("parameters", {}) for command in ("deploy", "global")]
        return str(next((one["parameter_overrides"] for one in commands if "parameter_overrides" in one), ""))

    def _default(self) -> str:
        template = Template.parse((self.root / "template.yaml").read_text("utf-8"))
        return str(template.parameters[PARAMETER]["Default"])

    def _sam(self, *command: str) -> int:
        return subprocess.run([self.root / _SAM, *command], cwd=self.root, check=False).returncode


def hold_to(architecture: str, built: Path) -> None:
    """Limit a built template to the architecture that it was built for."""
    template: dict[str, Any] = yaml.safe_load(built.read_text("utf-8"))
    template["Parameters"][PARAMETER] |= {
        "Default": architecture,
        "AllowedValues": [architecture],
        "ConstraintDescription": f"{architecture}: this was built for it. `make deploy` builds for the "
        f"{PARAMETER} of samconfig.toml",
    }
    built.write_text(yaml.safe_dump(template, sort_keys=False), "utf-8")


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run the command of the arguments, and return the exit status."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    chosen, extra = _arguments(arguments[:end]), arguments[end + 1 :]
    deployment = Deployment(root=root, stage=chosen.stage)
    if chosen.command == "build":
        return deployment.build(chosen.architecture or deployment.architecture([]), chosen.into, extra)
    status = deployment.build(deployment.architecture(extra), chosen.into, [])
    return status or deployment.deploy(extra)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sam_deploy", description="Build for the architecture that is deployed.")
    parser.set_defaults(architecture=None, into=".aws-sam/build")
    parser.add_argument("--stage", default="default", help="a section of samconfig.toml (default %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build the functions and layers")
    build.add_argument("--architecture", help="arm64 or x86_64 (default: that of the stage)")
    build.add_argument("--into", default=".aws-sam/build", help="a folder (default %(default)s)")
    commands.add_parser("deploy", help="build, and create or update the stack")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # at a prompt of SAM CLI, which prints its own message
        sys.exit(130)
