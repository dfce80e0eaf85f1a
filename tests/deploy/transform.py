"""Prints a template as JSON after CloudFormation's macro AWS::Serverless has transformed it.

Runs in the environment of tools/sam, which has the macro's code (aws-sam-translator). In our own environment that would
require an older pydantic than the layer's. Arguments: the template; a JSON object with the parameters that differ from
their defaults. Code and layers need S3 locations, which `sam deploy` inserts before it calls CloudFormation; this
script inserts locations in a fictitious bucket.
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
    """Replaces IAM, from which the macro reads the ARNs of managed policies that a template names."""

    def load(self) -> dict[str, str]:
        return {name: f"arn:aws:iam::aws:policy/service-role/{name}" for name in _MANAGED_POLICIES}


def main(path: str, overrides: str) -> None:
    """Print the template."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = yaml_parse(Path(path).read_text("utf-8"))
    for logical_id, resource in template["Resources"].items():
        place = _PATHS.get(resource["Type"])
        if place and not resource["Properties"][place].startswith("s3://"):
            resource["Properties"][place] = f"s3://{BUCKET}/{logical_id}"
    given = json.loads(overrides)
    values = {name: _value(declared, given.get(name)) for name, declared in template["Parameters"].items()}
    json.dump(transform(template, values, _ManagedPolicies()), sys.stdout)


def _value(declared: dict[str, Any], given: str | None) -> Any:
    """Return a parameter's value as CloudFormation passes it to a macro: lists are already split."""
    value = declared["Default"] if given is None else given
    return [one.strip() for one in value.split(",")] if declared["Type"] == "CommaDelimitedList" else value


if __name__ == "__main__":
    main(*sys.argv[1:])
