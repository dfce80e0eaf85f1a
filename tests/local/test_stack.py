"""Reading a stack from a template and creating its resources. Unsupported elements are errors."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from gerbang_local.aws import Aws, Resources
from gerbang_local.cors import Cors
from gerbang_local.routes import Route
from gerbang_local.stack import Authorizer, Function, Stack, Trigger, read_stack
from gerbang_local.template import Template, TemplateError, chosen_parameters

TEMPLATE = """
    Parameters:
      CacheSeconds: { Type: Number, Default: 0 }
      Origins: { Type: CommaDelimitedList, Default: "https://app.example" }
      Mails: { Type: String, Default: "true" }
    Conditions:
      HasMails: !Equals [!Ref Mails, "true"]
    Globals:
      Function:
        Handler: app.handler
        Layers: [!Ref Shared]
        Timeout: 20
        Environment: { Variables: { USERS: !Ref Users, SECRET: !Ref Secret, CACHE: !Ref CacheSeconds } }
    Resources:
      Login:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/login
          MemorySize: 1769
          Environment: { Variables: { QUEUE: !If [HasMails, !Ref Mailing, ""], MORE: true } }
          Policies: [{ Statement: [{ Effect: Allow, Action: "*", Resource: !GetAtt Users.Arn }] }]
          Events:
            Post:
              Type: HttpApi
              Properties: { ApiId: !Ref Api, Method: post, Path: /login, Auth: { Authorizer: NONE } }
            Get: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: "/login/{id}" } }
            Rest: { Type: HttpApi, Properties: { ApiId: !Ref Api } }
            Daily: { Type: Schedule, Properties: { Schedule: rate(1 day) } }
      Guard:
        Type: AWS::Serverless::Function
        Properties: { CodeUri: functions/guard }
      Mailer:
        Type: AWS::Serverless::Function
        Condition: HasMails
        Properties:
          CodeUri: functions/mailer
          Events:
            Queue:
              Type: SQS
              Properties:
                { Queue: !GetAtt Mailing.Arn, BatchSize: 5, FunctionResponseTypes: [ReportBatchItemFailures] }
      Api:
        Type: AWS::Serverless::HttpApi
        Properties:
          CorsConfiguration: { AllowOrigins: !Ref Origins, AllowMethods: [GET], AllowHeaders: [a], MaxAge: 600 }
          Auth:
            DefaultAuthorizer: Membership
            Authorizers:
              Membership:
                FunctionArn: !GetAtt Guard.Arn
                AuthorizerPayloadFormatVersion: "2.0"
                EnableSimpleResponses: true
                Identity: { Headers: [Authorization, X-Organization-Id], ReauthorizeEvery: !Ref CacheSeconds }
      Shared:
        Type: AWS::Serverless::LayerVersion
        Properties: { ContentUri: layers/shared }
      Mailing:
        Type: AWS::SQS::Queue
        Properties:
          VisibilityTimeout: 120
          RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 }
      Dead: { Type: AWS::SQS::Queue }
      Users:
        Type: AWS::DynamoDB::Table
        Properties:
          TableName: !Sub "${AWS::StackName}-people"
          BillingMode: PAY_PER_REQUEST
          AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }, { AttributeName: n, AttributeType: N }]
          KeySchema: [{ AttributeName: pk, KeyType: HASH }]
          GlobalSecondaryIndexes:
            - IndexName: by-n
              KeySchema: [{ AttributeName: n, KeyType: HASH }]
              Projection: { ProjectionType: ALL }
          TimeToLiveSpecification: { AttributeName: expires_at, Enabled: true }
          DeletionProtectionEnabled: "false"
          SSESpecification: { SSEEnabled: true }
      Secret:
        Type: AWS::SecretsManager::Secret
        Properties: { GenerateSecretString: { PasswordLength: 64, ExcludePunctuation: true } }
      Logs:
        Type: AWS::Logs::LogGroup
        Properties: { LogGroupName: !Sub "/aws/lambda/${Login}" }
    """


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("functions/login", "functions/guard", "functions/mailer", "layers/shared"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def built(aws: Aws, text: str, root: Path, **overrides: str) -> tuple[Resources, Stack]:
    template = Template.parse(textwrap.dedent(text))
    resources = Resources(aws, template, chosen_parameters(template, overrides))
    resources.make_all()
    return resources, read_stack(resources.resolver, root=root)


def test_functions_are_read_with_their_globals(aws: Aws, root: Path) -> None:
    resources, stack = built(aws, TEMPLATE, root)

    assert stack.functions["Login"] == Function(
        logical_id="Login",
        name="gerbang-local-Login",
        arn="arn:aws:lambda:us-east-1:123456789012:function:gerbang-local-Login",
        folder=root / "functions/login",
        handler="app.handler",
        environment={
            "USERS": "gerbang-local-people",
            "SECRET": resources.references("Secret").ref,
            "CACHE": "0",
            "QUEUE": "https://sqs.us-east-1.amazonaws.com/123456789012/gerbang-local-Mailing",
            "MORE": "true",
        },
        layers=(root / "layers/shared",),
        timeout_seconds=20,
        memory_mb=1769,
    )
    assert stack.functions["Guard"].memory_mb == 128


def test_routes_authorizers_cors_and_triggers_are_read(aws: Aws, root: Path) -> None:
    _, stack = built(aws, TEMPLATE, root, CacheSeconds="60")

    assert stack.routes == (
        Route(method="POST", path="/login", function="Login", authorizer=None),
        Route(method="GET", path="/login/{id}", function="Login", authorizer="Membership"),
        Route(method="ANY", path="$default", function="Login", authorizer="Membership"),
    )
    assert stack.authorizers == {
        "Membership": Authorizer(
            function="Guard",
            headers=("authorization", "x-organization-id"),
            query_parameters=(),
            remembered_seconds=60,
        )
    }
    assert stack.cors == Cors(origins=("https://app.example",), methods=("GET",), headers=("a",), max_age_seconds=600)
    assert stack.triggers == (
        Trigger(
            function="Mailer",
            queue_arn="arn:aws:sqs:us-east-1:123456789012:gerbang-local-Mailing",
            batch_size=5,
            reports_failures=True,
        ),
    )
    assert stack.notices == ("Login.Daily: nothing here sends Schedule events.",)


def test_resources_with_a_false_condition_are_not_served(aws: Aws, root: Path) -> None:
    _, stack = built(aws, TEMPLATE, root, Mails="false")

    assert "Mailer" not in stack.functions
    assert stack.triggers == ()
    assert stack.functions["Login"].environment["QUEUE"] == ""


def test_tables_queues_and_secrets_are_created(aws: Aws, root: Path) -> None:
    resources, _ = built(aws, TEMPLATE, root)

    table = aws.dynamodb.describe_table(TableName="gerbang-local-people")["Table"]
    assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by-n"]
    ttl = aws.dynamodb.describe_time_to_live(TableName="gerbang-local-people")["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires_at")
    url = resources.references("Mailing").ref
    attributes = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "120"
    assert json.loads(attributes["RedrivePolicy"]) == {
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:gerbang-local-Dead",
        "maxReceiveCount": 3,
    }
    secret = resources.secret_value("Secret")
    assert secret is not None
    assert (len(secret), secret.isalnum()) == (64, True)
    assert resources.secret_value("Nothing") is None


def test_an_existing_table_keeps_its_items(aws: Aws, root: Path) -> None:
    built(aws, TEMPLATE, root)
    aws.dynamodb.put_item(TableName="gerbang-local-people", Item={"pk": {"S": "kept"}})
    aws.secrets.delete_secret(SecretId="gerbang-local-Secret", ForceDeleteWithoutRecovery=True)

    built(aws, TEMPLATE, root)

    assert aws.dynamodb.scan(TableName="gerbang-local-people")["Count"] == 1


@pytest.mark.parametrize(
    ("rules", "check"),
    [
        ("{}", lambda value: len(value) == 32),
        ("{ ExcludeLowercase: true, ExcludeUppercase: true, ExcludePunctuation: true }", str.isdigit),
        ("{ ExcludePunctuation: 'true', ExcludeCharacters: abc }", lambda value: not set(value) & set("abc!")),
        (
            '{ SecretStringTemplate: \'{"user": "u"}\', GenerateStringKey: key, PasswordLength: 5 }',
            lambda value: json.loads(value)["user"] == "u" and len(json.loads(value)["key"]) == 5,
        ),
    ],
)
def test_secrets_are_generated_by_their_rules(
    aws: Aws, tmp_path: Path, rules: str, check: Callable[[str], bool]
) -> None:
    resources, _ = built(aws, SECRET.replace("RULES", rules), tmp_path)

    value = resources.secret_value("S")
    assert value is not None
    assert check(value)


SECRET = "Resources: { S: { Type: AWS::SecretsManager::Secret, Properties: { GenerateSecretString: RULES } } }"


def test_without_an_api_resource_the_implicit_api_is_used(aws: Aws, root: Path) -> None:
    text = """
        Globals: { HttpApi: { CorsConfiguration: true } }
        Resources:
          F:
            Type: AWS::Serverless::Function
            Properties:
              CodeUri: functions/login
              Handler: app.handler
              Events: { E: { Type: HttpApi, Properties: { Path: /a, Method: get } } }
        """

    _, stack = built(aws, text, root)

    assert stack.routes == (Route(method="GET", path="/a", function="F", authorizer=None),)
    assert stack.cors == Cors(origins=("*",))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("AWS::Logs::LogGroup", "AWS::S3::Bucket", "Logs: resources of type AWS::S3::Bucket are not served here"),
        ("MemorySize: 1769", "ImageUri: x", "Login: ImageUri is not served here"),
        ("Type: Schedule", "Type: Kinesis", "Login: event Daily is of type Kinesis"),
        ("{ ApiId: !Ref Api }", "{ ApiId: !Ref Api, Method: brew }", "Login: method BREW"),
        ("{ ApiId: !Ref Api }", "{ Path: /x }", "Login: .* no ApiId"),
        ("{ ApiId: !Ref Api }", "{ ApiId: !Ref Api, PayloadFormatVersion: '1.0' }", "PayloadFormatVersion is not 2.0"),
        ("Authorizer: NONE", "Authorizer: Other", "there is no authorizer Other"),
        ("CodeUri: functions/guard", "CodeUri: functions/no", "Guard: CodeUri .*functions/no is not a folder"),
        ("ContentUri: layers/shared", "ContentUri: layers/no", "Shared: ContentUri .*layers/no is not a folder"),
        ("[!Ref Shared]", "[arn:other]", "Login: layer arn:other is not in the template"),
        ("EnableSimpleResponses: true", "EnableSimpleResponses: false", "EnableSimpleResponses is not true"),
        ('AuthorizerPayloadFormatVersion: "2.0"', 'AuthorizerPayloadFormatVersion: "1.0"', "is not 2.0"),
        ("FunctionArn: !GetAtt Guard.Arn", "FunctionArn: arn:other", "arn:other is not a function of this template"),
        ("ReauthorizeEvery: !Ref", "StageVariables: !Ref", "Identity.StageVariables is not served here"),
        ("CorsConfiguration: {", "CorsConfiguration: { AllowEverything: true,", "CorsConfiguration.AllowEverything"),
        ("DefaultAuthorizer: Membership", "EnableIamAuthorizer: true", "Api: Auth.EnableIamAuthorizer"),
        ("Api:\n", "Api2: { Type: AWS::Serverless::HttpApi }\n      Api:\n", "Api2, Api: one API is served here"),
        ("BatchSize: 5", "FilterCriteria: x", "Mailer: SQS event: FilterCriteria"),
        ("VisibilityTimeout: 120", "FifoQueue: true", "Mailing: property FifoQueue"),
        ("maxReceiveCount: 3", "maxReceiveCount: !GetAtt Mailing.Arn", "Mailing: Mailing refers to itself"),
        ("BillingMode: PAY_PER_REQUEST", "KinesisStreamSpecification: x", "Users: property KinesisStreamSpecification"),
        ("PasswordLength: 64", "Entropy: 64", "Secret: GenerateSecretString.Entropy"),
        ("USERS: !Ref Users", "USERS: [a, b]", "text is wanted where there is list"),
        ("USERS: !Ref Users", "USERS: !Ref Usres", "there is no parameter and no resource Usres"),
    ],
)
def test_unsupported_elements_are_named(aws: Aws, root: Path, old: str, new: str, sentence: str) -> None:
    assert old in TEMPLATE

    with pytest.raises(TemplateError, match=sentence):
        built(aws, TEMPLATE.replace(old, new), root)
