"""`python -m gerbang_local` as a user meets it: a process, a port, signals."""

import http.client
import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import START_SECONDS, Served, served, start, tiny, write_stack

STACK = """
    Parameters:
      PublishableKey: { Type: String, Default: "" }
      GoogleClientIds: { Type: CommaDelimitedList, Default: "" }
      GoogleCertsUrl: { Type: String, Default: "https://certs.example", AllowedPattern: "https://.*" }
      Greeting: { Type: String, Default: hello }
    Conditions:
      HasPublishableKey: !Not [!Equals [!Ref PublishableKey, ""]]
    Globals:
      Function:
        Handler: app.handler
        Timeout: 10
        Environment:
          Variables:
            GREETING: !Ref Greeting
            TABLE: !Ref Things
            QUEUE: !Ref Mailing
            CERTS: !Ref GoogleCertsUrl
            CLIENT_IDS: !Join [",", !Ref GoogleClientIds]
            AWS_ENDPOINT_URL_DYNAMODB: ""
    Resources:
      Api: { Type: AWS::Serverless::HttpApi, Properties: { CorsConfiguration: true } }
      Echo:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/echo
          Events:
            Any: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: ANY, Path: "/echo/{proxy+}" } }
      Things:
        Type: AWS::DynamoDB::Table
        Properties:
          AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
          KeySchema: [{ AttributeName: pk, KeyType: HASH }]
          BillingMode: PAY_PER_REQUEST
      Once:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/once
          Environment: { Variables: { GREETING: its own } }
          Events: { Post: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: /once } } }
      Boom:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/boom
          Events: { Post: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: /boom } } }
      Wish:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/job
          Events: { Post: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: /job } } }
      Mailer:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/mailer
          Events: { Queue: { Type: SQS, Properties: { Queue: !GetAtt Mailing.Arn } } }
      Mailing: { Type: AWS::SQS::Queue }
      SecretApiKey: { Type: AWS::SecretsManager::Secret, Properties: { GenerateSecretString: { PasswordLength: 40 } } }
    Outputs:
      PublishableKey:
        Value: !If [HasPublishableKey, !Ref PublishableKey, !Sub "pk_${AWS::StackName}"]
    """

# Two have a `helper` beside them, each its own; settings are read from the environment at import, as ours are.
FILES = {
    "functions/echo/helper.py": "NAME = 'echo'",
    "functions/once/helper.py": "NAME = 'once'",
    "functions/echo/app.py": """
        import os
        import helper
        seen = dict(os.environ)
        def handler(event, context):
            return {**event, "environment": seen, "shared": os.environ.get("TABLE"), "helper": helper.NAME}
        """,
    "functions/once/app.py": """
        import os
        import helper
        import botocore.session
        from botocore.config import Config
        greeting = os.environ["GREETING"]
        table = os.environ["TABLE"]
        client = botocore.session.get_session().create_client("dynamodb", config=Config(retries={"mode": "standard"}))
        def handler(event, context):
            try:
                client.put_item(TableName=table, Item={"pk": {"S": event["body"]}},
                                ConditionExpression="attribute_not_exists(pk)")
            except client.exceptions.ConditionalCheckFailedException:
                return {"statusCode": 409, "body": helper.NAME}
            return {"statusCode": 201, "body": greeting}
        """,
    "functions/boom/app.py": """
        def handler(event, context):
            raise RuntimeError("this is the traceback")
        """,
    "functions/job/app.py": """
        import os
        import botocore.session
        queue = os.environ["QUEUE"]
        client = botocore.session.get_session().create_client("sqs")
        def handler(event, context):
            client.send_message(QueueUrl=queue, MessageBody=event["body"])
            return {"statusCode": 202}
        """,
    "functions/mailer/app.py": """
        import botocore.session
        client = botocore.session.get_session().create_client("sesv2")
        def handler(event, context):
            for record in event["Records"]:
                client.send_email(
                    FromEmailAddress="no-reply@example.com",
                    Destination={"ToAddresses": [record["body"]]},
                    Content={"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hi"}}}},
                )
        """,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The small stack, served by one process for all tests that leave it running."""
    template = write_stack(tmp_path_factory.mktemp("stack"), STACK, FILES)
    # Whoever starts it has AWS settings, and a variable, that no function may see.
    with served(template, AWS_PROFILE="nobody", AWS_ENDPOINT_URL="http://127.0.0.1:1", MINE="mine") as running:
        yield running


def ask(
    service: Served, path: str, body: str | None = None, *, method: str | None = None, **headers: str
) -> tuple[int, Any]:
    """Return status and body (parsed if it is JSON)."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)) as connection:
        method = method or ("GET" if body is None else "POST")
        connection.request(method, path, body, {"Content-Type": "text/plain", **headers})
        answer = connection.getresponse()
        text = answer.read().decode()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def status_of(service: Served, raw: bytes) -> int:
    """Send *raw* as it is, and return the status of what comes back."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(raw)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status


# --- the handlers -----------------------------------------------------------------------------------------------------


def test_a_handler_has_its_own_environment_and_nothing_of_the_developers(service: Served) -> None:
    _, answer = ask(service, "/echo/x")

    environment = answer["environment"]
    assert environment["GREETING"] == "hello"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "gerbang-local-Echo"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment.keys().isdisjoint({"AWS_PROFILE", "AWS_ENDPOINT_URL", "MINE"})
    assert answer["helper"] == "echo"
    assert ask(service, "/once", "a") == (201, "its own")
    assert ask(service, "/once", "a") == (409, "once")


def test_variables_that_all_functions_share_are_there_when_they_run(service: Served) -> None:
    _, answer = ask(service, "/echo/x")

    assert answer["shared"] == "gerbang-local-Things"


def test_fifty_requests_at_once_and_one_wins(service: Served) -> None:
    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(status for status, _ in pool.map(lambda _: ask(service, "/once", "race"), range(50)))

    assert outcomes == {201: 1, 409: 49}


def test_a_handler_that_raises_is_a_500_and_its_traceback_is_on_the_terminal(service: Served) -> None:
    assert ask(service, "/boom", "") == (500, {"message": "Internal Server Error"})
    assert eventually(lambda: "RuntimeError: this is the traceback" in service.output())


def test_every_request_has_a_line_without_its_query(service: Served) -> None:
    ask(service, "/echo/line?token=secret")

    assert eventually(lambda: "GET /echo/line 200 " in service.output())
    assert "token=secret" not in service.output()


def eventually(condition: Callable[[], bool], *, seconds: float = 2.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


# --- what only this machine has ---------------------------------------------------------------------------------------


def test_a_mail_sent_through_queue_and_mailer_is_in_the_mailbox_within_a_second(service: Served) -> None:
    assert ask(service, "/job", "ada@example.com") == (202, "")

    assert eventually(lambda: len(ask(service, "/_local/mailbox.json")[1]) == 1, seconds=1.0)
    [mail] = ask(service, "/_local/mailbox.json")[1]
    assert mail.pop("at").endswith("Z")
    assert mail == {"to": "ada@example.com", "subject": "Hello", "text": "Hi", "html": ""}


def test_the_deployments_keys_are_shown(service: Served) -> None:
    _, config = ask(service, "/_local/config.json")

    assert config["publishable_key"] == "pk_gerbang-local"
    assert len(config["secret_key"]) == 40


def test_the_mailbox_page_lets_no_mail_run_scripts(service: Served) -> None:
    with urllib.request.urlopen(service.url + "/_local/") as answer:  # noqa: S310
        page = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]

    assert "ANY /echo/{proxy+}" in page
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert f'<script nonce="{nonce}">' in page
    assert "default-src 'none'" in policy
    assert 'frame.sandbox = "allow-popups allow-popups-to-escape-sandbox"' in page


def test_the_stand_in_for_google_is_what_the_template_names(service: Served) -> None:
    environment = ask(service, "/echo/x")[1]["environment"]
    status, issued = ask(
        service, "/_local/google/id_token", '{"email": "a@example.com", "name": "A", "google_id": "1"}'
    )

    assert environment["CERTS"] == f"{service.url}/_local/google/certs"
    assert environment["CLIENT_IDS"] == "local.apps.googleusercontent.com"
    assert status == 200
    assert issued["id_token"].count(".") == 2
    with urllib.request.urlopen(environment["CERTS"]) as certs:  # noqa: S310
        assert certs.headers["Cache-Control"] == "public, max-age=300"
        assert json.loads(certs.read())["keys"][0]["alg"] == "RS256"


@pytest.mark.parametrize("body", ["{}", "[]", "not json", '{"email": "a@example.com", "name": "A"}'])
def test_the_stand_in_refuses_what_is_incomplete(service: Served, body: str) -> None:
    status, answer = ask(service, "/_local/google/id_token", body)

    assert status == 400
    assert answer["message"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/_local/nothing", 404), ("DELETE", "/_local/", 405)])
def test_nothing_else_is_local(service: Served, method: str, path: str, status: int) -> None:
    assert ask(service, path, method=method)[0] == status


# --- requests of all kinds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /echo/%zz%ff?%zz=%ff HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\xe9\r\n\r\n", 200),
        (b"GET http://other.example/echo/x HTTP/1.1\r\nHost: other.example\r\n\r\n", 200),
        (b"TRACE /echo/x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"HEAD /echo/x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"get /echo/x HTTP/1.0\r\n\r\n", 200),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
        (b"HEAD /_local/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /echo/\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /echo/x HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /once HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 60_000 + b"\r\n\r\n", 431),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 431),
        (b"GET /echo/" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
    ],
    ids=repr,
)
def test_strange_requests_get_an_answer_and_do_no_harm(service: Served, raw: bytes, status: int) -> None:
    assert status_of(service, raw) == status
    assert ask(service, "/echo/still-there")[0] == 200


def test_a_body_above_10_mb_gets_its_413_while_it_is_still_being_sent(service: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("POST", "/once", body=b"x" * (12 * 1024 * 1024))
    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())) == (413, {"message": "Request Entity Too Large"})
    connection.close()


def test_a_connection_serves_one_request_after_another(service: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)

    for number in range(3):
        connection.request("POST", "/nowhere", body=b"x" * 100_000)
        assert connection.getresponse().read() == b'{"message":"Not Found"}'
        connection.request("GET", f"/echo/{number}")
        assert json.loads(connection.getresponse().read())["rawPath"] == f"/echo/{number}"

    connection.close()


def test_the_source_address_is_the_sockets(service: Served) -> None:
    _, event = ask(service, "/echo/x", **{"X-Forwarded-For": "198.51.100.7"})

    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-for"] == "198.51.100.7, 127.0.0.1"


# --- starting and ending ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_with_status_0(tmp_path: Path, how: signal.Signals) -> None:
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


def test_the_greeting_says_where_and_its_curl_line_works_as_pasted(tmp_path: Path) -> None:
    with served(tiny(tmp_path)) as running:
        greeting = running.output()
        [line] = [line for line in greeting.splitlines() if "curl" in line]
        pasted = subprocess.run(
            ["sh", "-c", line[line.index("curl -X") :]], capture_output=True, text=True, check=True, timeout=10
        )

    assert pasted.stdout == "tiny"
    assert f"Mail arrives:  {running.url}/_local/" in greeting
    assert "AWS runs in memory (moto)" in greeting


def refused(template: Path, **environment: str) -> str:
    """Return what a start that fails says, in the one line it has for it."""
    process = start(template, **environment)
    output, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 1, output
    [sentence] = output.strip().splitlines()
    return sentence


def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sentence = refused(tiny(tmp_path), PORT=str(port))

    assert sentence == f"Port {port} of 127.0.0.1 is taken. Choose another: PORT={port + 1} make run."


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PORT": "http"}, "PORT is 'http', not a number from 0 to 65535."),
        ({"PORT": "65536"}, "PORT is '65536', not a number from 0 to 65535."),
        ({"HOST": "256.256.256.256"}, "HOST 256.256.256.256 is not an address of this machine"),
        ({"DYNAMODB_ENDPOINT": "localhost:8000"}, "DYNAMODB_ENDPOINT is 'localhost:8000', not a URL"),
        ({"PARAMETERS": "Stage"}, "PARAMETERS has 'Stage' where Name=Value is expected."),
        ({"PARAMETERS": "Stage='x"}, "PARAMETERS cannot be read"),
        ({"PARAMETERS": "Stage=x"}, "template.yaml: there is no parameter Stage (there are: none)."),
    ],
)
def test_a_wrong_option_is_said_in_one_sentence(tmp_path: Path, environment: dict[str, str], sentence: str) -> None:
    assert refused(tiny(tmp_path), **environment).startswith(sentence)


def test_a_function_that_cannot_be_imported_stops_the_start_with_its_traceback(tmp_path: Path) -> None:
    process = start(tiny(tmp_path, "import nowhere_to_be_found"))
    output, _ = process.communicate(timeout=START_SECONDS)

    assert process.returncode == 1
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in output
    assert output.strip().splitlines()[-1].startswith("F: ")


def test_a_dynamodb_local_that_does_not_answer_is_said_in_one_sentence(tmp_path: Path) -> None:
    template = write_stack(tmp_path, STACK, FILES)

    assert refused(template, DYNAMODB_ENDPOINT="http://127.0.0.1:9").startswith(
        "DynamoDB Local does not answer at http://127.0.0.1:9"
    )


def test_parameters_are_taken_as_sam_deploy_takes_them(tmp_path: Path) -> None:
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


def test_without_a_template_it_says_where_it_looked(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml").startswith(f"There is no {tmp_path / 'none.yaml'}")
