"""SAM CLI: builds the functions, serves and invokes them on this machine's processor."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from gerbang_local.options import Options
from sam_deploy import this_machine

from sam_local.stand_ins import HOST, StandIns

_SAM: Final = "tools/bootstrap/sam"
BUILT: Final = ".aws-sam/build"
"""Where `sam build` builds, in the template's folder."""
_BUILT_HERE: Final = ".aws-sam/local"
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


def copy(lines: IO[bytes] | None, to: IO[bytes], ended: threading.Event) -> None:
    """Copy lines until the event, and discard the rest: SAM CLI ends with tracebacks of connections to Docker."""
    for line in lines or ():
        if not ended.is_set():
            to.write(line)
            to.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam:
    """SAM CLI in the template's folder, with the functions built and pointed at the stand-ins."""

    options: Options
    build: str
    """The folder of the build, seen from the template's."""
    variables: Path
    """A file with the environment of each function, as `sam local --env-vars` takes it."""
    extra: Sequence[str] = ()
    """What SAM CLI is told beyond what is worked out here."""

    @classmethod
    @contextmanager
    def built(cls, options: Options, stand_ins: StandIns, extra: Sequence[str]) -> Iterator[Self]:
        """Build the functions; yield what serves and invokes them.

        Raises:
            SamFailed: they could not be built.
        """
        folder = options.template.parent
        if subprocess.run([_SAM, "build", "--build-dir", _BUILT_HERE], cwd=folder, check=False).returncode:
            raise SamFailed
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(stand_ins.environments, file)
            file.flush()
            yield cls(options=options, build=_BUILT_HERE, variables=Path(file.name), extra=extra)

    def start_api(self) -> None:
        """Serve the API until this process is interrupted, or SAM CLI ends.

        Raises:
            SamFailed: it ended by itself, with an error.
        """
        where = ["--host", self.options.host, "--port", str(self.options.port), "--warm-containers", "LAZY"]
        command = [_SAM, "local", "start-api", *where, *self._common(), *self.extra]
        # A session of its own: Ctrl-C is for this process, which then tells SAM CLI to end in the way it heeds.
        folder, ended = self.options.template.parent, threading.Event()
        with subprocess.Popen(command, cwd=folder, start_new_session=True, stderr=subprocess.PIPE) as server:
            threading.Thread(target=copy, args=(server.stderr, sys.stderr.buffer, ended), daemon=True).start()
            try:
                status = server.wait()
            finally:
                ended.set()
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

    def arguments(self) -> list[str]:
        """Return what `sam local` has to be told to find the stand-ins, and to run on this machine's processor."""
        variables = self.variables
        if variables.is_relative_to(self.options.template.parent):
            variables = variables.relative_to(self.options.template.parent)
        chosen = {"Architecture": this_machine(), **self.options.parameters}
        overrides = [f"ParameterKey={name},ParameterValue={value}" for name, value in chosen.items()]
        return [
            *("--env-vars", str(variables), "--add-host", f"{HOST}:host-gateway"),
            *(["--skip-pull-image"] if image_is_here() else []),
            *("--parameter-overrides", *overrides),
        ]

    def _common(self) -> list[str]:
        return ["--template", f"{self.build}/template.yaml", *self.arguments()]
