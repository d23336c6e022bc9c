import logging
import os
import socket
import threading
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from kubecfn.errors import KubecfnError
from kubecfn.local.api import Service, ServiceError
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws


@pytest.fixture
def start(tmp_path):
    """Start an embedded AWS that ends with the test."""
    started = []

    def make(**arguments):
        started.append(EmbeddedAws(**{"workdir": tmp_path, "services": (), **arguments}))
        return started[-1]

    yield make
    for aws in reversed(started):
        aws.close()


def test_a_second_one_in_the_same_process_is_refused_until_the_first_is_closed(start):
    """Moto's state is per process, so two at once would share it: refused with the remedy, and free again after close."""
    first = start()

    with pytest.raises(KubecfnError, match=r"already runs in this process.*Close the other one first"):
        start()
    first.close()
    first.close()
    assert start().client("sts").get_caller_identity()["Account"] == "123456789012"


def test_a_port_that_is_taken_is_one_sentence_and_leaves_nothing_behind(start, capfd):
    """A taken port names itself and the remedy, prints nothing, and another start is possible afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(KubecfnError, match=f"Port {port} on 127.0.0.1 cannot be listened on.*Choose another port"):
            start(port=port)

    assert capfd.readouterr() == ("", "")
    assert start(port=port).endpoint == f"http://127.0.0.1:{port}"


def test_nothing_survives_into_the_next_one(start, tmp_path):
    """Every embedded AWS starts empty, and `reset` empties a running one, with its faults and records."""
    aws = start()
    aws.client("ssm").put_parameter(Name="kept", Value="1", Type="String")
    aws.close()
    aws = start()
    assert aws.client("ssm").describe_parameters()["Parameters"] == []

    aws.client("ssm").put_parameter(Name="kept", Value="1", Type="String")
    aws.faults.add(kind="error", times=9)
    endpoint = aws.endpoint
    aws.reset()

    assert aws.client("ssm").describe_parameters()["Parameters"] == []
    assert [recorded.call.operation for recorded in aws.recorder.calls] == ["DescribeParameters"]
    assert aws.endpoint == endpoint


def test_close_ends_services_before_the_server_and_gives_everything_back(start, monkeypatch):
    """Services are closed in reverse order while the gate still answers; threads, log files and variables go back."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    threads = {thread.name for thread in threading.enumerate()}
    closed = []

    def service(name):
        def make(world):
            return Service(
                {}, lambda: closed.append((name, world.client("sts", "eu-central-1").get_caller_identity()["Arn"]))
            )

        return make

    aws = start(services=(service("first"), service("second")))
    assert "AWS_PROFILE" not in os.environ
    aws.close()

    assert closed == [("second", "service"), ("first", "service")]
    assert os.environ["AWS_PROFILE"] == "mine"
    assert "gate" not in {thread.name for thread in threading.enumerate()} - threads
    assert [one for one in logging.getLogger("kubecfn.local").handlers if isinstance(one, logging.FileHandler)] == []
    with pytest.raises(EndpointConnectionError):
        aws.client("sts").get_caller_identity()


def test_a_service_that_cannot_start_takes_nothing_with_it(start):
    """When composing fails, what was started is closed and the next embedded AWS can start."""
    closed = []

    def broken(world):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        start(services=(lambda _: Service({}, lambda: closed.append("first")), broken))

    assert closed == ["first"]
    assert start().client("sts").get_caller_identity()


def test_services_are_given_their_world_and_answer_calls(start, tmp_path):
    """A service sees the clock, the account, the address and other services' clients, and its operations are answered."""
    clock = ScaledClock(1000)

    def service(world):
        def describe(call):
            if call.params["StackName"] != "payments":
                raise ServiceError("ValidationError", f"Stack with id {call.params['StackName']} does not exist")
            assert (world.clock, world.account, world.workdir) == (clock, call.account, tmp_path)
            zones = world.client("ec2", call.region).describe_availability_zones()["AvailabilityZones"]
            names = ",".join(zone["ZoneName"] for zone in zones)
            stack = {"StackName": "payments", "StackStatus": "CREATE_COMPLETE", "Description": names}
            return {"Stacks": [{**stack, "CreationTime": datetime(2026, 11, 21, tzinfo=UTC)}]}

        return Service({("cloudformation", "DescribeStacks"): describe}, lambda: None)

    aws = start(services=(service,), clock=clock, region="eu-west-1")
    client = aws.client("cloudformation")

    (stack,) = client.describe_stacks(StackName="payments")["Stacks"]
    assert stack["Description"] == "eu-west-1a,eu-west-1b,eu-west-1c"
    with pytest.raises(ClientError, match="Stack with id other does not exist"):
        client.describe_stacks(StackName="other")


def test_records_are_dated_by_the_simulated_clock(start):
    """A record's time is simulated, so that orders and pauses can be read from it."""
    clock = ScaledClock(100_000)
    aws = start(clock=clock)
    client = aws.client("sts")
    client.get_caller_identity()
    clock.sleep(3600)
    client.get_caller_identity()

    first, second = (recorded.at for recorded in aws.recorder.calls)
    assert (second - first).total_seconds() > 3600


def test_the_services_share_one_client_per_service_and_region(start):
    """Making a client costs tens of milliseconds, so it is made once, also when many threads ask at the same time."""
    made = []

    def service(world):
        threads = [threading.Thread(target=lambda: made.append(world.client("sqs", "eu-west-1"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        made.append(world.client("sqs", "eu-central-1"))
        return Service({}, lambda: None)

    start(services=(service,))

    assert len({id(client) for client in made}) == 2


@pytest.mark.parametrize(
    ("region", "zones"), [("eu-central-1", 3), ("us-east-1", 6), ("us-gov-west-1", 3), ("cn-north-1", 2)]
)
def test_each_region_has_its_own_zones(start, region, zones):
    """Availability zones are the region's, in every partition."""
    found = start(region=region).client("ec2").describe_availability_zones()["AvailabilityZones"]

    names = [zone["ZoneName"] for zone in found]
    assert len(names) >= zones
    assert all(name.startswith(region) for name in names)


def test_public_parameters_of_images_and_instance_types_are_there(start):
    """An image can be looked up by its public SSM parameter, and an instance type has its architecture and size."""
    aws = start()
    parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"

    assert aws.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"].startswith("ami-")
    (kind,) = aws.client("ec2").describe_instance_types(InstanceTypes=["m7g.large"])["InstanceTypes"]
    assert kind["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"]
