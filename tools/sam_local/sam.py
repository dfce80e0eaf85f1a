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
"""How long SAM CLI may take to remove its containers at the end."""

IMAGE: Final = f"public.ecr.aws/lambda/python:3.13-{this_machine()}"
"""The runtime's image, as SAM CLI calls it."""


class SamFailed(Exception):
    """SAM CLI ended with an error, which it has printed."""


def image_is_here() -> bool:
    """Return whether Docker runs and has the runtime's image, so that it need not be pulled."""
    try:
        inspected = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return inspected.returncode == 0


def copy(lines: IO[bytes] | None, to: IO[bytes], ended: threading.Event) -> None:
    """Copy lines until the event, and discard the rest: SAM CLI prints tracebacks of Docker connections at its end."""
    for line in lines or ():
        if not ended.is_set():
            to.write(line)
            to.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam:
    """SAM CLI in the template's folder, with the built functions, which call the stand-ins."""

    options: Options
    build: str
    """The folder of the build, relative to the template's."""
    variables: Path
    """A file with the environment of each function, as `sam local --env-vars` takes it."""
    extra: Sequence[str] = ()
    """More arguments for SAM CLI."""

    @classmethod
    @contextmanager
    def built(cls, options: Options, stand_ins: StandIns, extra: Sequence[str]) -> Iterator[Self]:
        """Build the functions; yield the SAM CLI that serves and invokes them.

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
        # In a new session, so that Ctrl-C reaches only this process, which then ends SAM CLI by SIGTERM.
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
        """Return a function's answer to an event, as text; its log goes to this process's stderr.

        Raises:
            SamFailed: SAM CLI could not invoke it.
        """
        command = [_SAM, "local", "invoke", function, "--event", str(event), *self._common(), *self.extra]
        done = subprocess.run(command, cwd=self.options.template.parent, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SamFailed
        return done.stdout.strip()

    def arguments(self) -> list[str]:
        """Return the arguments with which `sam local` finds the stand-ins and runs on this machine's processor."""
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
