"""Reading templates like CloudFormation: docs.aws.amazon.com/AWSCloudFormation, "Intrinsic function reference"."""

import textwrap
from typing import Any

import pytest
from gerbang_local.template import (
    References,
    Resolver,
    Template,
    TemplateError,
    chosen_parameters,
)

TEMPLATE = """
    AWSTemplateFormatVersion: 2010-09-09
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      Stage: { Type: String, Default: staging, AllowedValues: [staging, production] }
      Lifetime: { Type: Number, Default: 3600, MinValue: 60, MaxValue: 86400 }
      Origins: { Type: CommaDelimitedList, Default: "https://a.example, https://b.example" }
      Nothing: { Type: CommaDelimitedList, Default: "" }
      Url: { Type: String, Default: "", AllowedPattern: "(https://.*)?", ConstraintDescription: an https URL }
      Needed: { Type: String }
    Mappings:
      Sizes:
        staging: { memory: 512 }
        production: { memory: 1769 }
    Conditions:
      Live: !Equals [!Ref Stage, production]
      HasUrl: !Not [!Equals [!Ref Url, ""]]
      Both: !And [!Condition Live, !Condition HasUrl]
      Either: !Or [!Condition Live, !Condition HasUrl]
      HasNothing: !Equals [!Select [0, !Ref Nothing], ""]
      Loop: !Not [!Condition Loop]
    Globals:
      Function:
        Layers: [common]
        Timeout: 10
        Environment: { Variables: { A: "1", B: "1" } }
    Resources:
      Users: { Type: AWS::DynamoDB::Table }
      Backup: { Type: AWS::DynamoDB::Table, Condition: Live }
      Login:
        Type: AWS::Serverless::Function
        Properties:
          Layers: [own]
          Timeout: 20
          Environment: { Variables: { B: "2" } }
    """


def resolver(**overrides: str) -> Resolver:
    template = Template.parse(textwrap.dedent(TEMPLATE))
    return Resolver(
        template=template,
        parameters=chosen_parameters(template, {"Needed": "given", **overrides}),
        pseudo_parameters={"AWS::Region": "us-east-1", "AWS::StackName": "local"},
        references=lambda logical_id: References(ref=f"{logical_id}-name", attributes={"Arn": f"arn:{logical_id}"}),
    )


def yaml_value(text: str) -> Any:
    template = Template.parse(f"Resources: {{ X: {{ Type: T, Properties: {{ value: {text} }} }} }}")
    return template.resources["X"].properties["value"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("!Ref Stage", "staging"),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref Users", "Users-name"),
        ("!Ref Lifetime", "3600"),
        ("!Ref Origins", ["https://a.example", "https://b.example"]),
        ("!GetAtt Users.Arn", "arn:Users"),
        ("{ 'Fn::GetAtt': [Users, Arn] }", "arn:Users"),
        ("!Sub '${AWS::StackName}/${Users}/${Users.Arn}/${!Kept}'", "local/Users-name/arn:Users/${Kept}"),
        ("!Sub ['${Name}-${Stage}', { Name: !Ref Users }]", "Users-name-staging"),
        ("!If [Live, yes it is, !Ref Stage]", "staging"),
        ("!Join ['-', [a, !Ref Stage, 3]]", "a-staging-3"),
        ("!Join [',', !Ref Origins]", "https://a.example,https://b.example"),
        ("!Select [1, !Ref Origins]", "https://b.example"),
        ("!Select ['0', !Split ['/', a/b]]", "a"),
        ("!FindInMap [Sizes, !Ref Stage, memory]", 512),
        ("[a, !If [Live, b, !Ref AWS::NoValue]]", ["a"]),
        ("{ kept: 1, gone: !Ref AWS::NoValue }", {"kept": 1}),
        ("{ nested: [{ deep: !Ref Stage }] }", {"nested": [{"deep": "staging"}]}),
        ("2012-10-17", "2012-10-17"),
    ],
)
def test_intrinsic_functions_have_the_results_of_cloudformation(written: str, expected: object) -> None:
    assert resolver().resolve(yaml_value(written)) == expected


@pytest.mark.parametrize(
    ("condition", "overrides", "expected"),
    [
        ("Live", {}, False),
        ("Live", {"Stage": "production"}, True),
        ("HasUrl", {}, False),
        ("HasUrl", {"Url": "https://x"}, True),
        ("Both", {"Stage": "production"}, False),
        ("Both", {"Stage": "production", "Url": "https://x"}, True),
        ("Either", {}, False),
        ("Either", {"Url": "https://x"}, True),
        ("HasNothing", {}, True),
        ("HasNothing", {"Nothing": "a,b"}, False),
    ],
)
def test_conditions_are_evaluated(condition: str, overrides: dict[str, str], *, expected: bool) -> None:
    assert resolver(**overrides).holds(condition) is expected


def test_a_resource_with_a_false_condition_is_not_active() -> None:
    assert [one.logical_id for one in resolver().active_resources()] == ["Users", "Login"]
    assert "Backup" in [one.logical_id for one in resolver(Stage="production").active_resources()]


def test_globals_are_merged_like_in_sam() -> None:
    properties = Template.parse(textwrap.dedent(TEMPLATE)).resources["Login"].properties

    assert properties["Timeout"] == 20
    assert properties["Layers"] == ["common", "own"]
    assert properties["Environment"]["Variables"] == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("!Ref Nowhere", "Nowhere"),
        ("!GetAtt Users.Color", "Users.Color"),
        ("!Ref Backup", "Backup"),
        ("!If [Unheard, a, b]", "Unheard"),
        ("!If [Loop, a, b]", "Loop"),
        ("!Cidr [a, b]", "Fn::Cidr"),
        ("!ImportValue x", "Fn::ImportValue"),
        ("!FindInMap [Sizes, nowhere, memory]", "Sizes.nowhere.memory"),
        ("!Select [7, !Ref Origins]", "number 7 of 2"),
        ("!Join ['-', [!Ref Origins]]", "list"),
    ],
)
def test_unknown_names_are_errors(written: str, named: str) -> None:
    with pytest.raises(TemplateError, match=named):
        resolver().resolve(yaml_value(written))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"Stge": "x"}, "there is no parameter Stge"),
        ({"Stage": "test"}, "parameter Stage must be one of staging, production"),
        ({"Lifetime": "59"}, "parameter Lifetime must be from 60 to 86400"),
        ({"Lifetime": "an hour"}, "parameter Lifetime must be a number"),
        ({"Url": "http://x"}, "parameter Url must be an https URL"),
    ],
)
def test_an_invalid_parameter_value_is_an_error(overrides: dict[str, str], sentence: str) -> None:
    with pytest.raises(TemplateError, match=sentence):
        resolver(**overrides)


def test_a_parameter_without_a_default_is_required() -> None:
    with pytest.raises(TemplateError, match="Needed has no default"):
        chosen_parameters(Template.parse(textwrap.dedent(TEMPLATE)), {})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "not YAML"),
        ("- list", "no Resources"),
        ("Resources: { X: {} }", "X has no Type"),
        ("Resources:\n  X: { Type: A }\n  X: { Type: B }", "line 3 gives X a second time"),
    ],
)
def test_an_invalid_template_is_an_error(text: str, sentence: str) -> None:
    with pytest.raises(TemplateError, match=sentence):
        Template.parse(text)
