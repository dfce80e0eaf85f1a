"""Handlers for alarms, topics and subscriptions."""

from typing import Any, override

from tests.deploy.clients import client
from tests.deploy.moto_cloudformation.handler import Handler, Resource


class Alarm(Handler):
    TYPE = "AWS::CloudWatch::Alarm"
    ATTRIBUTES = frozenset({"Arn"})

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        cloudwatch = client("cloudwatch")
        cloudwatch.put_metric_alarm(AlarmName=name, **properties)
        [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return Resource(name, {"Arn": alarm["AlarmArn"]})

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        client("cloudwatch").put_metric_alarm(AlarmName=resource.physical_resource_id, **properties)

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("cloudwatch").delete_alarms(AlarmNames=[physical_id])


class Topic(Handler):
    TYPE = "AWS::SNS::Topic"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        return Resource(client("sns").create_topic(Name=name, **properties)["TopicArn"])

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        client("sns").tag_resource(ResourceArn=resource.physical_resource_id, Tags=properties["Tags"])

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("sns").delete_topic(TopicArn=physical_id)


class Subscription(Handler):
    TYPE = "AWS::SNS::Subscription"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        return Resource(client("sns").subscribe(**properties)["SubscriptionArn"])

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        """Do nothing: CloudFormation replaces a subscription when one of its properties changes."""

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("sns").unsubscribe(SubscriptionArn=physical_id)
