"""Topics, subscriptions and queues with their policies."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any, ClassVar

from kubecfn.local.providers.resource import Aws, Resource, absent_is_fine, changed, pick, refusal
from kubecfn.local.providers.seam import Properties


class Topic(Resource):
    """A topic with its inline subscriptions; ``Ref`` is the ARN."""

    type = "AWS::SNS::Topic"
    _attributes = ("ContentBasedDeduplication", "DisplayName", "KmsMasterKeyId", "SignatureVersion", "TracingConfig")
    fixed = ("FifoTopic", "TopicName")
    accepts = (*fixed, *_attributes, "Subscription", "Tags")
    gives = ("TopicArn", "TopicName")
    deletes = ("sns", "DeleteTopic", "TopicArn")

    def make(self, aws: Aws, properties: Properties) -> str:
        attributes = pick(properties, "FifoTopic", *self._attributes) or None
        name = properties.get("TopicName") or aws.name()
        return str(aws.call("sns", "CreateTopic", Name=name, Attributes=attributes)["TopicArn"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        me = {"TopicArn": physical_id}
        for name in self._attributes:
            if old and changed(old, new, name):
                given = {"AttributeName": name, "AttributeValue": new.get(name, "")}
                aws.call("sns", "SetTopicAttributes", **me, **given)
        before, after = old.get("Subscription", ()), new.get("Subscription", ())
        for item in after:
            if item not in before:
                aws.call("sns", "Subscribe", **me, **item)
        gone = [item for item in before if item not in after]
        for item in aws.call("sns", "ListSubscriptionsByTopic", **me)["Subscriptions"] if gone else ():
            if pick(item, "Endpoint", "Protocol") in gone:
                aws.call("sns", "Unsubscribe", SubscriptionArn=item["SubscriptionArn"])
        aws.retag("sns", {"ResourceArn": physical_id}, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"TopicArn": physical_id, "TopicName": physical_id.rpartition(":")[2]}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        for item in aws.call("sns", "ListSubscriptionsByTopic", TopicArn=physical_id)["Subscriptions"]:
            if pick(item, "Endpoint", "Protocol") in properties.get("Subscription", ()):
                aws.call("sns", "Unsubscribe", SubscriptionArn=item["SubscriptionArn"])
        super().remove(aws, physical_id, properties)


class _SharedPolicy(Resource):
    """A policy put on several topics or queues."""

    targets: ClassVar[str]
    gives = ("Id",)

    def make(self, aws: Aws, properties: Properties) -> str:
        return aws.name()

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        before, after = set(old.get(self.targets, ())), set(new.get(self.targets, ()))
        for target in sorted(before - after):
            self.put(aws, target, None)
        for target in sorted(after if changed(old, new, "PolicyDocument") else after - before):
            self.put(aws, target, new["PolicyDocument"])

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        for target in properties.get(self.targets, ()):
            with absent_is_fine():
                self.put(aws, target, None)

    def put(self, aws: Aws, target: str, document: Any) -> None:
        """Put the policy on one target; None takes it off."""
        raise NotImplementedError


class TopicPolicy(_SharedPolicy):
    """The policy of topics; without it a topic is its account's own ("AWS::SNS::TopicPolicy")."""

    type = "AWS::SNS::TopicPolicy"
    accepts = ("PolicyDocument", "Topics")
    targets = "Topics"

    def put(self, aws: Aws, target: str, document: Any) -> None:
        context = aws.context
        owner = {"Effect": "Allow", "Principal": {"AWS": f"arn:{context.partition}:iam::{context.account}:root"}}
        own = {"Version": "2012-10-17", "Statement": [{**owner, "Action": "sns:*", "Resource": target}]}
        given = {"AttributeName": "Policy", "AttributeValue": document or own}
        aws.call("sns", "SetTopicAttributes", TopicArn=target, **given)


class Subscription(Resource):
    """One subscription; its attributes change in place."""

    type = "AWS::SNS::Subscription"
    fixed = ("Endpoint", "Protocol", "TopicArn")
    _attributes = ("DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy")
    accepts = (*fixed, *_attributes)
    gives = ("Arn",)
    makes = ("sns", "Subscribe", "SubscriptionArn")
    deletes = ("sns", "Unsubscribe", "SubscriptionArn")

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        for name in self._attributes:
            if changed(old, new, name):
                given = {"AttributeName": name, "AttributeValue": new.get(name, "")}
                aws.call("sns", "SetSubscriptionAttributes", SubscriptionArn=physical_id, **given)


class Queue(Resource):
    """A queue; ``Ref`` is its URL."""

    type = "AWS::SQS::Queue"
    fixed = ("FifoQueue", "QueueName")
    # Every attribute and what it goes back to when it is taken out of the template (API reference, CreateQueue).
    _defaults: ClassVar[Properties] = {
        "ContentBasedDeduplication": False, "DelaySeconds": 0, "KmsDataKeyReusePeriodSeconds": 300,
        "KmsMasterKeyId": "", "MaximumMessageSize": 262144, "MessageRetentionPeriod": 345600,
        "ReceiveMessageWaitTimeSeconds": 0, "RedriveAllowPolicy": "", "RedrivePolicy": "",
        "SqsManagedSseEnabled": True, "VisibilityTimeout": 30,
    }  # fmt: skip
    accepts = (*fixed, *_defaults, "Tags")
    gives = ("Arn", "QueueName", "QueueUrl")
    deletes = ("sqs", "DeleteQueue", "QueueUrl")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = properties.get("QueueName") or aws.name(30, 30)
        if aws.exists("sqs", "GetQueueUrl", QueueName=name):
            raise refusal("CreateQueue", "QueueAlreadyExists", f"{name} already exists")
        attributes = pick(properties, "FifoQueue", *self._defaults) or None
        return str(aws.call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        names = [name for name in self._defaults if old and changed(old, new, name)]
        if names:
            attributes = {name: new.get(name, self._defaults[name]) for name in names}
            aws.call("sqs", "SetQueueAttributes", QueueUrl=physical_id, Attributes=attributes)
        aws.retag("sqs", {"QueueUrl": physical_id}, old, new, ("TagQueue", "UntagQueue"))

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        answer = aws.call("sqs", "GetQueueAttributes", QueueUrl=physical_id, AttributeNames=["QueueArn"])
        name = physical_id.rpartition("/")[2]
        return {"Arn": answer["Attributes"]["QueueArn"], "QueueName": name, "QueueUrl": physical_id}


class QueuePolicy(_SharedPolicy):
    """The policy of queues."""

    type = "AWS::SQS::QueuePolicy"
    accepts = ("PolicyDocument", "Queues")
    targets = "Queues"

    def put(self, aws: Aws, target: str, document: Any) -> None:
        aws.call("sqs", "SetQueueAttributes", QueueUrl=target, Attributes={"Policy": document or ""})
