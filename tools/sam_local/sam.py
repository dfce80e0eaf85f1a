"""SAM CLI: builds the functions for this machine's processor, serves them, invokes them."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import yaml
from gerbang_local.options import Options
from sam_deploy import this_machine

from sam_local.stand_ins import HOST, StandIns

_SAM: Final = "tools/bootstrap/sam"
_BUILT: Final = ".aws-sam/local"
_END_SECONDS: Final = 30.0
"""SAM CLI removes its containers when it is told to end."""

IMAGE: Final = f"public.ecr.aws/lambda/python:3.13-{this_machine()}"
"""The runtime's image, as SAM CLI calls it."""


class SamFailed(Exception):
    """SAM CLI ended with an error, which it has printed."""


def image_is_here() -> bool:
    """Say whether Docker runs and has the runtime's image, so that none need be pulled."""
    try:
        asked = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam:
    """SAM CLI in the template's folder, with the functions built and pointed at the stand-ins."""

    options: Options
    variables: Path
    """A file with the environment of each function, as `sam local --env-vars` takes it."""
    extra: Sequence[str]
    """What SAM CLI is told beyond what is worked out here."""

    @classmethod
    @contextmanager
    def built(cls, options: Options, stand_ins: StandIns, extra: Sequence[str]) -> Iterator[Self]:
        """Build the functions; yield what serves and invokes them.

        Raises:
            SamFailed: they could not be built.
        """
        _run([_SAM, "build", "--build-dir", _BUILT, *_overrides(options)], options.template.parent)
        keep_authorizers(options.template.parent / _BUILT / "template.yaml")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(stand_ins.environments, file)
            file.flush()
            yield cls(options=options, variables=Path(file.name), extra=extra)

    def start_api(self) -> None:
        """Serve the API until this process is interrupted, or SAM CLI ends.

        Raises:
            SamFailed: it ended by itself, with an error.
        """
        where = ["--host", self.options.host, "--port", str(self.options.port), "--warm-containers", "LAZY"]
        command = [_SAM, "local", "start-api", *where, *self._common(), *self.extra]
        # A session of its own: Ctrl-C is for this process, which then tells SAM CLI to end in the way it heeds.
        with subprocess.Popen(command, cwd=self.options.template.parent, start_new_session=True) as server:
            try:
                status = server.wait()
            finally:
                server.terminate()
                server.wait(_END_SECONDS)
        if status:
            raise SamFailed

    def invoke(self, function: str, event: Path) -> str:
        """Return what a function answers to an event, as text; its log goes where this process's errors go.

        Raises:
            SamFailed: SAM CLI could not invoke it.
        """
        command = [_SAM, "local", "invoke", function, "--event", str(event), *self._common(), *self.extra]
        done = subprocess.run(command, cwd=self.options.template.parent, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SamFailed
        return done.stdout.strip()

    def _common(self) -> list[str]:
        pulling = ["--skip-pull-image"] if image_is_here() else []
        network = ["--add-host", f"{HOST}:host-gateway"]
        return [
            *("--template", f"{_BUILT}/template.yaml", "--env-vars", str(self.variables)),
            *(*network, *pulling, *_overrides(self.options)),
        ]


def keep_authorizers(built: Path) -> None:
    """Leave out of a built template the routes that would take the authorizer from another of the same path.

    SAM CLI makes one route of all that a function has at a path, with the authorizer of any one of them: which one, the
    order of a set decides. API Gateway keeps them apart.
    """
    template: dict[str, Any] = yaml.safe_load(built.read_text("utf-8"))
    for resource in template["Resources"].values():
        events: dict[str, Any] = resource.get("Properties", {}).get("Events", {})
        guarded = {_path(event) for event in events.values() if _is_guarded(event)}
        for name, event in list(events.items()):
            if _path(event) in guarded and not _is_guarded(event):
                del events[name]
    built.write_text(yaml.safe_dump(template, sort_keys=False), "utf-8")


def _path(event: dict[str, Any]) -> object:
    return event["Properties"].get("Path")


def _is_guarded(event: dict[str, Any]) -> bool:
    return "Authorizer" in event["Properties"].get("Auth", {})


def _overrides(options: Options) -> list[str]:
    chosen = {"Architecture": this_machine(), **options.parameters}
    return ["--parameter-overrides", *(f"ParameterKey={name},ParameterValue={value}" for name, value in chosen.items())]


def _run(command: Sequence[str], folder: Path) -> None:
    if subprocess.run(command, cwd=folder, env=dict(os.environ), check=False).returncode:
        raise SamFailed
