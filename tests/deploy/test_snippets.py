"""Each SAM snippet in the documents is a valid template: SAM's macro transforms it, and cfn-lint finds no errors."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.stacks import ROOT, transform

HEAD: Final = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters: {}
Resources:
"""
BEHIND: Final = """\
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s3://artefacts/orders
      Handler: app.handler
      Runtime: python3.13
      Events:
        Get: {{ Type: {event}, Properties: {{ {api}: !Ref Api, Method: GET, Path: /orders }} }}
"""
"""A function behind the API of a snippet."""

EVENTS: Final = {"AWS::Serverless::HttpApi": ("HttpApi", "ApiId"), "AWS::Serverless::Api": ("Api", "RestApiId")}


def snippets() -> dict[str, str]:
    """Return every snippet with resources as a template, by its document and resource types."""
    found: dict[str, str] = {}
    for document in ("README.md", "docs/events.md"):
        text = (ROOT / document).read_text("utf-8")
        for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            kinds = " ".join(re.findall(r"Type: (AWS::\S+)", block))
            about = "JWT" if "JwtConfiguration" in block else ""
            found[f"{document} {kinds} {about}".strip()] = HEAD + block + _behind(kinds)
    return found


def _behind(kinds: str) -> str:
    for kind, (event, api) in EVENTS.items():
        if kind in kinds.split():
            return BEHIND.format(event=event, api=api)
    return ""


def test_all_snippets_are_found() -> None:
    assert len(snippets()) == 5


@pytest.mark.parametrize("name", snippets())
def test_a_snippet_is_a_valid_template(name: str, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(snippets()[name].replace("CodeUri: welcome", "CodeUri: s3://artefacts/welcome"), "utf-8")

    linted = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--", template], capture_output=True, text=True, check=False
    )
    result = transform(template, {})

    assert (linted.stdout, linted.returncode) == ("", 0)
    operations = _get_operations(result)
    assert bool(operations) == ("Path: /orders" in template.read_text("utf-8"))
    for operation in operations:
        assert "authorizer" in json.dumps(operation).lower() or "security" in json.dumps(operation), result


def _get_operations(template: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the GET operations in the OpenAPI documents that SAM writes."""
    bodies = [resource.get("Properties", {}).get("Body", {}) for resource in template["Resources"].values()]
    paths = [path for body in bodies for path in body.get("paths", {}).values()]
    return [operation for path in paths for method, operation in path.items() if method == "get"]


def test_the_jwt_authorizer_snippet_sets_issuer_and_audience(tmp_path: Path) -> None:
    [name] = [name for name in snippets() if name.endswith("JWT")]
    template = tmp_path / "template.yaml"
    template.write_text(snippets()[name], "utf-8")

    body = transform(template, {})["Resources"]["Api"]["Properties"]["Body"]

    [scheme] = body["components"]["securitySchemes"].values()
    assert scheme["x-amazon-apigateway-authorizer"] == {
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": "https://auth.example.com", "audience": ["authenticated"]},
    }
    assert yaml.safe_load(snippets()[name].split("Resources:", 1)[0])["Transform"] == "AWS::Serverless-2016-10-31"
