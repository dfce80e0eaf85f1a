"""A small stack that most tests of `python -m gerbang_local` serve."""

import http.client
import json
from contextlib import closing
from typing import Any

from tests.local.conftest import Served

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
            TABLE: !Ref Items
            QUEUE: !Ref MailQueue
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
      Items:
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
      Job:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/job
          Events: { Post: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: /job } } }
      Mailer:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/mailer
          Events: { Queue: { Type: SQS, Properties: { Queue: !GetAtt MailQueue.Arn } } }
      MailQueue: { Type: AWS::SQS::Queue }
      SecretApiKey: { Type: AWS::SecretsManager::Secret, Properties: { GenerateSecretString: { PasswordLength: 40 } } }
    Outputs:
      PublishableKey:
        Value: !If [HasPublishableKey, !Ref PublishableKey, !Sub "pk_${AWS::StackName}"]
    """


# Two functions have different modules `helper`. Settings are read from the environment at import, as in our functions.
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


def ask(
    service: Served, path: str, body: str | None = None, *, method: str | None = None, **headers: str
) -> tuple[int, Any]:
    """Send a request. Return the status and the body, parsed if it is JSON."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)) as connection:
        method = method or ("GET" if body is None else "POST")
        connection.request(method, path, body, {"Content-Type": "text/plain", **headers})
        answer = connection.getresponse()
        text = answer.read().decode()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text
