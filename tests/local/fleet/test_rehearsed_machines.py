"""What a rehearsal with real programs needs of machines: true addresses, an image with programs, pauses and power cuts."""

import socket
import sys
from pathlib import Path

import pytest

from kubecfn.local.fleet.addresses import loopback_of
from kubecfn.local.fleet.machines import NoMachines, ProcessMachines
from kubecfn.local.fleet.shown import views

# Listens at the address the metadata service names, in a session of its own, beside a child that counts.
SERVER = f"""#!{sys.executable}
import os, socket, sys, time, urllib.request
base = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] + "/latest/"
ask = urllib.request.Request(base + "api/token", headers={{"X-aws-ec2-metadata-token-ttl-seconds": "60"}}, method="PUT")
token = urllib.request.urlopen(ask).read().decode()
ask = urllib.request.Request(base + "meta-data/local-ipv4", headers={{"X-aws-ec2-metadata-token": token}})
address = urllib.request.urlopen(ask).read().decode()
listener = socket.create_server((address, 2379))
if os.fork():
    sys.exit()
os.setsid()
if not os.fork():
    while True:
        with open(os.environ["KUBECFN_ROOT"] + "/run/count", "a") as file:
            file.write(".")
        time.sleep(0.01)
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello")
    connection.close()
"""


@pytest.fixture
def server(cloud):
    """An instance that serves, as (id, address that EC2 shows)."""
    name = cloud.group(1, user_data=SERVER)
    [instance] = cloud.states(name)
    cloud.until(lambda: b"listening" in cloud.machines.console(instance))
    return instance, described(cloud, instance)["PrivateIpAddress"]


def described(cloud, instance):
    return cloud.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]


def said(address):
    """Return what the server at an address says within a moment, empty when it says nothing."""
    try:
        with socket.create_connection((address, 2379), timeout=0.1) as connection:
            return connection.recv(16)
    except (TimeoutError, ConnectionError):
        return b""


def counted(cloud, instance):
    """Return how far the child has counted; it begins some time after its parent listens."""
    file = cloud.machines.root(instance) / "run/count"
    return file.stat().st_size if file.exists() else 0


def test_an_instance_serves_at_the_address_that_ec2_shows(cloud, server):
    """EC2, its interfaces and the instance's metadata name one address, and there its program listens."""
    instance, address = server
    interfaces = cloud.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "attachment.instance-id", "Values": [instance]}]
    )["NetworkInterfaces"]

    assert said(address) == b"hello"
    assert address.startswith("127.20.")
    assert {one["PrivateIpAddress"] for one in interfaces} <= {address}
    assert {one["PrivateIpAddress"] for one in described(cloud, instance)["NetworkInterfaces"]} == {address}


def test_the_subnet_still_counts_the_address_it_gave(cloud, server):
    """Behind the view the subnet's own address stays the instance's: a filter finds it, and no other is given it."""
    instance, address = server
    own = f"10.{address.split('.', 1)[1]}"
    found = cloud.client("ec2").describe_instances(Filters=[{"Name": "private-ip-address", "Values": [own]}])

    assert [one["InstanceId"] for each in found["Reservations"] for one in each["Instances"]] == [instance]


def test_an_interface_without_an_instance_keeps_its_address(cloud):
    """Only instances have machines; a gateway's or a function's interface is shown as the subnet has it."""
    ec2 = cloud.client("ec2")
    made = ec2.create_network_interface(SubnetId=cloud.subnets[0])["NetworkInterface"]

    [shown] = ec2.describe_network_interfaces(NetworkInterfaceIds=[made["NetworkInterfaceId"]])["NetworkInterfaces"]

    assert shown["PrivateIpAddress"] == made["PrivateIpAddress"]
    assert shown["PrivateIpAddress"].startswith("10.20.")


def test_machines_with_the_subnets_addresses_change_no_answer():
    """Where machines have the addresses of their subnets, EC2's answers go out as they are."""
    body = b"<R><privateIpAddress>10.0.0.4</privateIpAddress></R>"

    assert views(NoMachines())["ec2", "DescribeInstances"](body) == body
    assert views(ProcessMachines())["ec2", "DescribeInstances"](body) == body.replace(b"10.0", b"127.0")


def test_a_loopback_address_stands_for_itself():
    """What was translated once is not translated again."""
    assert loopback_of(loopback_of("10.1.2.3")) == "127.1.2.3"


def test_an_instance_finds_the_programs_of_its_image(cloud, tmp_path):
    """Whatever lies in the image's folder can be run from the instance's own /usr/local/bin."""
    (tmp_path / "greet").write_text("#!/bin/sh\necho hello from the image\n")
    (tmp_path / "greet").chmod(0o755)
    cloud.machines.image = tmp_path
    try:
        name = cloud.group(1, user_data="#!/bin/sh\nexec $KUBECFN_ROOT/usr/local/bin/greet\n")
        [instance] = cloud.states(name)
        cloud.until(lambda: cloud.machines.console(instance) == b"hello from the image\n")
    finally:
        cloud.machines.image = None


def test_a_paused_instance_answers_nobody_until_it_is_resumed(cloud, server):
    """A pause stops every process of the instance, its grandchildren too; a resumed one goes on where it stood."""
    instance, address = server
    cloud.until(lambda: counted(cloud, instance))

    cloud.machines.pause(instance)
    paused = counted(cloud, instance)
    silence = said(address)
    still = counted(cloud, instance)
    cloud.machines.resume(instance)

    assert (silence, still) == (b"", paused)
    cloud.until(lambda: counted(cloud, instance) > paused and said(address) == b"hello")


@pytest.mark.parametrize("paused", [False, True])
def test_a_power_cut_leaves_nothing_running(cloud, server, paused):
    """Whatever an instance forked ends with its power, also what was paused: nothing listens and nothing counts."""
    instance, address = server
    # While a program starts another there is one more for a moment.
    cloud.until(lambda: len(cloud.machines.processes(instance)) == 2)
    processes = cloud.machines.processes(instance)
    if paused:
        cloud.machines.pause(instance)

    cloud.machines.kill(instance)

    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    assert said(address) == b""
