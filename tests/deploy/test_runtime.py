"""Every function as built, initialised and invoked under Lambda's own runtime interface client.

So an import that no layer has cannot ship. AWS is moto, as a server, with the stack in it that CloudFormation makes.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest
from gerbang_local.google import LOCAL_CLIENT_ID, StandInIssuer
from gerbang_local.mailbox import Mailbox
from moto.server import ThreadedMotoServer
from moto.sesv2.responses import SESV2Response

from tests.build.artefacts import build_for, this_machine
from tests.deploy.doors import Doors
from tests.deploy.lambda_runtime import FunctionFailed, Mounts, RunningFunction
from tests.deploy.stacks import Stack, created_stack, written
from tests.deploy.walk import PARAMETERS, World, everything, published

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime interface client is for Linux"),
]

FUNCTIONS: Final = sorted(written("AWS::Serverless::Function"))


class BuiltFunctions:
    """The functions of a stack, a process each, started when it is first needed."""

    def __init__(self, stack: Stack, mounts: Mounts, folders: Mapping[str, Path], aws_url: str) -> None:
        """Take where the artefacts are, and where AWS is."""
        self._stack: Final = stack
        self._mounts: Final = mounts
        self._folders: Final = folders
        self._endpoints: Final = {
            f"AWS_ENDPOINT_URL_{service}": aws_url for service in ("DYNAMODB", "SECRETS_MANAGER", "SESV2", "SQS")
        }
        self.running: Final[dict[str, RunningFunction]] = {}

    def invoke(self, name: str, event: Mapping[str, Any]) -> Any:
        """Return what a function answers."""
        return self.start(name).invoke(event)

    def start(self, name: str) -> RunningFunction:
        """Return the function's process."""
        if name not in self.running:
            self.running[name] = RunningFunction(
                self._mounts, self._folders[name], self._stack.function(name), self._endpoints
            )
        return self.running[name]

    def end(self) -> None:
        """End all processes."""
        for function in self.running.values():
            function.end()


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> Mounts:
    return Mounts.of(build_for(this_machine()), tmp_path_factory.mktemp("lambda"))


@pytest.fixture(scope="module")
def issuer() -> StandInIssuer:
    return StandInIssuer(LOCAL_CLIENT_ID)


@pytest.fixture(scope="module")
def stack(issuer: StandInIssuer) -> Iterator[Stack]:
    with (
        published(issuer.key_set()) as certs_url,
        created_stack(GoogleCertsUrl=certs_url, **PARAMETERS) as made,
        patch.object(SESV2Response, "send_email", delivering_to(made.mailbox)),
    ):
        yield made


def delivering_to(mailbox: Mailbox) -> Any:
    """Return SES as `gerbang_local` has it, for moto as a server."""

    def send_email(response: SESV2Response) -> str:
        mailbox.receive(json.loads(response.body))
        return json.dumps({"MessageId": "1"})

    return send_email


@pytest.fixture(scope="module")
def functions(stack: Stack, mounts: Mounts) -> Iterator[BuiltFunctions]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    built = BuiltFunctions(stack, mounts, build_for(this_machine()).functions, f"http://{host}:{port}")
    try:
        yield built
    finally:
        built.end()
        server.stop()


def test_every_function_of_the_template_was_built() -> None:
    assert sorted(build_for(this_machine()).functions) == FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts(functions: BuiltFunctions, name: str) -> None:
    functions.start(name)  # raises what its import raised


def test_functions_do_together_all_that_they_do(stack: Stack, functions: BuiltFunctions, issuer: StandInIssuer) -> None:
    everything(World(stack, Doors(stack, functions), issuer, functions))

    assert sorted(functions.running) == FUNCTIONS


def test_an_import_that_no_layer_has_is_found(stack: Stack, mounts: Mounts, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import pytest")

    with pytest.raises(FunctionFailed, match="No module named 'pytest'"):
        RunningFunction(mounts, tmp_path, stack.function("DefaultFunction"), {})


def test_the_package_is_taken_from_the_layer(stack: Stack, mounts: Mounts, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import botocore, gerbang\ndef handler(event, context): return [gerbang.__file__, botocore.__file__]"
    )
    function = RunningFunction(mounts, tmp_path, stack.function("DefaultFunction"), {})

    files = function.invoke({})

    function.end()
    assert [Path(file).is_relative_to(mounts.opt) for file in files] == [True, True]
