"""Fuzzes the API with its OpenAPI document: `python -m tests.fuzz SECONDS`, which `make fuzz` calls.

Schemathesis sends valid and invalid requests to a server like that of `make run`. It checks every answer against the
document (status, content type, headers, schema), and follows the document's links: from a registration to its code, to
the session, and to the sign-out.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.wire.server import ROOT, running

DOCUMENT: Final = ROOT / "functions/docs/openapi.json"
LIMITS: Final = ("SignInAccountAndAddress", "SignInAddress", "SignInAccount", "Registration", "CodeTries", "Reset")
MAIL_LIMITS: Final = ("MailMinute", "MailHour", "MailAddress")
PARAMETERS: Final = " ".join(
    [
        *(f"Limit{name}=100000/60" for name in (*LIMITS, *MAIL_LIMITS)),  # every request has the same client address
        "PasswordHashCost=10 TokenAlgorithm=ES256 PublicUrl=https://auth.example.com LinkConfirmationPage=true",
    ]
)


def fuzz(folder: Path, *, seconds: int) -> tuple[int, str]:
    """Fuzz for some seconds. Return schemathesis's exit status and the server's output."""
    with running(folder, PARAMETERS=PARAMETERS) as server:
        url = f"http://127.0.0.1:{server.port}"
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(DOCUMENT), "--url", url]
        options = ["--max-time", str(seconds), "--continue-on-failure", "--suppress-health-check", "all"]
        environment = {
            "GERBANG_URL": url,
            "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        }
        ran = subprocess.run([*command, *options], cwd=folder, env={**os.environ, **environment}, check=False)
        return ran.returncode, server.output()


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        status, _ = fuzz(Path(scratch), seconds=int(sys.argv[1]))
    sys.exit(status)
