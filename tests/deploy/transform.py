"""Prints what CloudFormation's macro AWS::Serverless makes of a template, as JSON.

Runs in the environment of tools/sam, where SAM CLI has the macro's code, aws-sam-translator; in ours it would hold
pydantic below the layer's. Arguments: the template; the parameters that differ from their defaults, as a JSON object.
Code and layers are at S3 already, as `sam deploy` puts them there before it calls CloudFormation.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from samtranslator.translator.transform import transform  # type: ignore[import-not-found]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-not-found]

BUCKET: Final = "artefacts"
_PATHS: Final = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
_MANAGED_POLICIES: Final = (
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaSQSQueueExecutionRole",
)


class _ManagedPolicies:
    """In the place of IAM, which the macro asks for the ARNs of policies that a template calls by name."""

    def load(self) -> dict[str, str]:
        return {name: f"arn:aws:iam::aws:policy/service-role/{name}" for name in _MANAGED_POLICIES}


def main(path: str, overrides: str) -> None:
    """Print the template."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = yaml_parse(Path(path).read_text("utf-8"))
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] in _PATHS:
            resource["Properties"][_PATHS[resource["Type"]]] = f"s3://{BUCKET}/{logical_id}"
    given = json.loads(overrides)
    values = {name: _value(declared, given.get(name)) for name, declared in template["Parameters"].items()}
    json.dump(transform(template, values, _ManagedPolicies()), sys.stdout)


def _value(declared: dict[str, Any], given: str | None) -> Any:
    """Return a parameter's value as CloudFormation hands it to a macro: lists are lists already."""
    value = declared["Default"] if given is None else given
    return [one.strip() for one in value.split(",")] if declared["Type"] == "CommaDelimitedList" else value


if __name__ == "__main__":
    main(*sys.argv[1:])
