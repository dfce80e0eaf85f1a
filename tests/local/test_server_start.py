"""`python -m gerbang_local` as a process: start, options and signals."""

import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.local.conftest import START_SECONDS, served, start, tiny, write_stack
from tests.local.small_stack import FILES, STACK, ask


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_immediately_with_status_0(tmp_path: Path, how: signal.Signals) -> None:
    code = "import time\ndef handler(event, context): time.sleep(60)"
    with served(tiny(tmp_path, code)) as running, ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(ask, running, "/api/auth/register", "{}")
        time.sleep(0.3)
        started_at = time.monotonic()

        status = running.end(how)

        assert status == 0
        assert time.monotonic() - started_at < 3
        assert hanging.result()[0] == 503
        assert "Traceback" not in running.output()


def test_the_printed_curl_command_works(tmp_path: Path) -> None:
    with served(tiny(tmp_path)) as running:
        greeting = running.output()
        [line] = [line for line in greeting.splitlines() if "curl" in line]
        ran = subprocess.run(
            ["sh", "-c", line[line.index("curl -X") :]], capture_output=True, text=True, check=True, timeout=10
        )

    assert ran.stdout == "tiny"
    assert f"Mail arrives:  {running.url}/_local/" in greeting
    assert "AWS runs in memory (moto)" in greeting


def start_error(template: Path, **environment: str) -> str:
    """Start a server that cannot start, and return the line that it prints."""
    process = start(template, **environment)
    output, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 1, output
    [sentence] = output.strip().splitlines()
    return sentence


def test_a_port_in_use_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sentence = start_error(tiny(tmp_path), PORT=str(port))

    assert sentence == f"Port {port} of 127.0.0.1 is taken. Choose another: PORT={port + 1} make run."


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PORT": "http"}, "PORT is 'http', not a number from 0 to 65535."),
        ({"PORT": "65536"}, "PORT is '65536', not a number from 0 to 65535."),
        ({"HOST": "256.256.256.256"}, "HOST 256.256.256.256 is not an address of this machine"),
        ({"DYNAMODB_ENDPOINT": "localhost:8000"}, "DYNAMODB_ENDPOINT is 'localhost:8000', not a URL"),
        ({"PARAMETERS": "Stage"}, "PARAMETERS has 'Stage' where Name=Value is wanted."),
        ({"PARAMETERS": "Stage='x"}, "PARAMETERS cannot be read"),
        ({"PARAMETERS": "Stage=x"}, "template.yaml: there is no parameter Stage (there are: none)."),
    ],
)
def test_an_invalid_option_is_reported_in_one_sentence(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    assert start_error(tiny(tmp_path), **environment).startswith(sentence)


def test_a_function_that_cannot_be_imported_prevents_the_start(tmp_path: Path) -> None:
    process = start(tiny(tmp_path, "import nowhere_to_be_found"))
    output, _ = process.communicate(timeout=START_SECONDS)

    assert process.returncode == 1
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in output
    assert output.strip().splitlines()[-1].startswith("F: ")


def test_an_unreachable_dynamodb_local_is_reported_in_one_sentence(tmp_path: Path) -> None:
    template = write_stack(tmp_path, STACK, FILES)

    assert start_error(template, DYNAMODB_ENDPOINT="http://127.0.0.1:9").startswith(
        "DynamoDB Local does not answer at http://127.0.0.1:9"
    )


def test_parameters_have_the_format_of_sam_deploy(tmp_path: Path) -> None:
    template = write_stack(tmp_path, STACK, FILES)
    parameters = "Greeting='good evening' ParameterKey=PublishableKey,ParameterValue=pk_mine GoogleClientIds=a,b"
    certs = "GoogleCertsUrl=https://certs.example"

    with served(template, PARAMETERS=f"{parameters} {certs}") as running:
        environment = ask(running, "/echo/x")[1]["environment"]
        config = ask(running, "/_local/config.json")[1]

    assert environment["GREETING"] == "good evening"
    assert environment["CLIENT_IDS"] == "a,b"
    assert environment["CERTS"] == "https://certs.example"
    assert config["publishable_key"] == "pk_mine"


def test_a_missing_template_is_reported_with_its_path(tmp_path: Path) -> None:
    assert start_error(tmp_path / "none.yaml").startswith(f"There is no {tmp_path / 'none.yaml'}")
