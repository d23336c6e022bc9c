import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubecfn.local.fleet.addresses import loopback_of
from kubecfn.local.fleet.instance import Instance
from kubecfn.local.fleet.machines import NoMachines, ProcessMachines
from kubecfn.local.world import World

ASK_METADATA = """#!/bin/sh
base=$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest
token=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $base/api/token)
get() { echo "$1=$(curl -s -H "X-aws-ec2-metadata-token: $token" $base/$1 | tr -d '\\n')"; }
get meta-data/instance-id
get meta-data/placement/availability-zone
get meta-data/placement/region
get meta-data/local-ipv4
get meta-data/iam/security-credentials/
get meta-data/autoscaling/target-lifecycle-state
get meta-data/services/partition
get meta-data/block-device-mapping/
get meta-data/block-device-mapping/root
get dynamic/instance-identity/document
echo "no-token=$(curl -s -o /dev/null -w '%{http_code}' $base/meta-data/instance-id)"
echo "no-ttl=$(curl -s -o /dev/null -w '%{http_code}' -X PUT $base/api/token)"
echo "spot=$(curl -s -o /dev/null -w '%{http_code}' -H "X-aws-ec2-metadata-token: $token" $base/meta-data/spot/instance-action)"
echo done=yes
"""
WHO_AM_I = f"""#!{sys.executable}
import boto3
print("caller=" + boto3.client("sts", region_name="eu-central-1").get_caller_identity()["Arn"], flush=True)
print("done=yes", flush=True)
"""
# A daemon of the old kind: its own session, its parent gone, deaf to SIGTERM.
DAEMON = """#!/bin/sh
(setsid sh -c 'trap "" TERM; echo $$ > $KUBECFN_ROOT/run/daemon; while :; do sleep 1; done' &) &
exec sleep 1000
"""


def daemon_of(cloud, instance_id):
    """Wait for the instance's daemon; return its process id."""
    daemon = cloud.until(
        lambda: (file := cloud.machines.root(instance_id) / "run/daemon").exists() and file.read_text().strip()
    )
    assert alive(daemon)
    return daemon


def facts(cloud, instance_id):
    """Wait for the user data to end; return what it printed as name=value lines."""
    text = cloud.until(lambda: b"done=yes" in (found := cloud.machines.console(instance_id)) and found.decode())
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def children_of(pid):
    """Return every process below one, from /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, queue = set(), [pid]
    while queue:
        above = queue.pop()
        below = [child for child, parent in parents.items() if parent == above]
        found.update(below)
        queue += below
    return found


def alive(pid):
    return Path(f"/proc/{pid}").exists()


def test_an_instance_learns_who_it_is_from_its_own_metadata_service(cloud, profile):
    """The metadata service answers with this instance's values, to a token only (IMDSv2 required)."""
    name = cloud.group(1, template=cloud.template(ASK_METADATA, IamInstanceProfile={"Name": profile}))
    [instance] = cloud.instances(name)

    found = facts(cloud, instance["InstanceId"])
    document = json.loads(found["dynamic/instance-identity/document"])

    assert found["meta-data/instance-id"] == document["instanceId"] == instance["InstanceId"]
    assert found["meta-data/placement/availability-zone"] == instance["AvailabilityZone"]
    assert found["meta-data/placement/region"] == document["region"] == "eu-central-1"
    assert found["meta-data/iam/security-credentials/"] == profile
    assert found["meta-data/autoscaling/target-lifecycle-state"] == "InService"
    assert found["meta-data/services/partition"] == "aws"
    assert found["meta-data/block-device-mapping/"] == "amiroot"
    assert found["meta-data/block-device-mapping/root"] == "/dev/xvda"
    assert document["privateIp"] == found["meta-data/local-ipv4"]
    assert (found["no-token"], found["no-ttl"], found["spot"]) == ("401", "400", "404")


@pytest.mark.parametrize(("allowed", "name"), [("enabled", "controller"), ("disabled", "")])
def test_tags_are_metadata_only_when_the_template_says_so(cloud, allowed, name):
    """InstanceMetadataTags decides whether tags/instance exists."""
    script = ASK_METADATA.replace("get meta-data/instance-id", "get meta-data/tags/instance/Name")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "controller"}]}]
    options = {"HttpTokens": "required", "InstanceMetadataTags": allowed}
    group = cloud.group(1, template=cloud.template(script, MetadataOptions=options, TagSpecifications=tags))
    [instance] = cloud.states(group)

    assert facts(cloud, instance)["meta-data/tags/instance/Name"] == name


def test_an_instance_acts_as_the_role_of_its_profile(cloud, profile):
    """boto3 on an instance needs no configuration: its session is named after the instance, as on EC2."""
    name = cloud.group(1, template=cloud.template(WHO_AM_I, IamInstanceProfile={"Name": profile}))
    [instance] = cloud.states(name)

    assert facts(cloud, instance)["caller"].endswith(f":assumed-role/{profile}/{instance}")


def test_an_instance_without_a_profile_has_no_credentials(cloud):
    """No profile, no role: boto3 finds nothing to sign with."""
    name = cloud.group(1, user_data=WHO_AM_I)
    [instance] = cloud.states(name)

    cloud.until(lambda: b"NoCredentialsError" in cloud.machines.console(instance))


def test_the_console_shows_what_the_user_data_wrote(cloud):
    """GetConsoleOutput returns the output of the user data, and keeps it when the instance is gone."""
    name = cloud.group(1, user_data="#!/bin/sh\necho hello from $KUBECFN_ROOT\necho trouble >&2\n")
    [instance] = cloud.states(name)
    ec2 = cloud.client("ec2")

    text = cloud.until(lambda: "trouble" in (shown := ec2.get_console_output(InstanceId=instance)["Output"]) and shown)

    assert "hello from " in text
    cloud.terminate(instance)
    cloud.until(lambda: instance not in cloud.states(name))
    assert "trouble" in ec2.get_console_output(InstanceId=instance)["Output"]


def test_user_data_that_cannot_run_says_so_on_the_console(cloud):
    """Only scripts are run; anything else is named on the console, never skipped silently."""
    name = cloud.group(1, user_data="Content-Type: multipart/mixed\n\n...")
    [instance] = cloud.states(name)

    assert b"not run here" in cloud.machines.console(instance)


def test_whatever_an_instance_started_ends_with_it(cloud):
    """Terminating an instance ends even a daemon with a session of its own that ignores SIGTERM."""
    name = cloud.group(1, user_data=DAEMON)
    [instance] = cloud.states(name)
    daemon = daemon_of(cloud, instance)

    cloud.asg.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, DesiredCapacity=0)

    cloud.until(lambda: not cloud.states(name))
    assert not alive(daemon)


def test_an_instance_is_asked_before_it_is_ended(cloud):
    """Shutting down sends SIGTERM first and leaves time to act on it."""
    name = cloud.group(
        1, user_data="#!/bin/bash\ntrap 'echo goodbye; exit' TERM\necho up\nwhile :; do sleep 0.05; done\n"
    )
    [instance] = cloud.states(name)
    cloud.until(lambda: b"up" in cloud.machines.console(instance))

    cloud.terminate(instance)
    cloud.until(lambda: instance not in cloud.states(name))

    assert b"goodbye" in cloud.machines.console(instance)


def test_an_instance_that_ec2_calls_terminated_runs_no_more(cloud):
    """TerminateInstances answers when the machine is off: who acts on "terminated" never meets a living process."""
    name = cloud.group(1, user_data=DAEMON)
    [instance] = cloud.states(name)
    daemon = daemon_of(cloud, instance)

    cloud.client("ec2").terminate_instances(InstanceIds=[instance])

    assert not alive(daemon)
    assert cloud.ec2_state(instance) == "terminated"
    cloud.until(lambda: instance not in cloud.states(name) and cloud.in_service(name) == 1)


def test_an_instance_that_loses_power_says_nothing_and_is_replaced(cloud):
    """A power cut runs no handler; the health check finds it later."""
    name = cloud.group(
        1, user_data="#!/bin/bash\ntrap 'echo goodbye; exit' TERM\necho up\nwhile :; do sleep 0.05; done\n"
    )
    [instance] = cloud.states(name)
    cloud.until(lambda: b"up" in cloud.machines.console(instance))

    cloud.machines.kill(instance)

    assert b"goodbye" not in cloud.machines.console(instance)
    cloud.until(lambda: instance not in cloud.states(name) and cloud.in_service(name) == 1)


def test_nothing_runs_after_close(cloud, tmp_path):
    """Closing cuts the power of every machine: no process of theirs is left, daemons included."""
    before = children_of(os.getpid())
    machines = ProcessMachines(grace=0.5)
    for number in range(3):
        machines.start(instance(f"i-{number}", f"10.9.0.{number + 4}", DAEMON), world(cloud, tmp_path), lambda: "")
    cloud.until(lambda: all((tmp_path / f"instances/i-{number}/run/daemon").exists() for number in range(3)))
    assert len(children_of(os.getpid()) - before) > 6

    machines.close()

    assert children_of(os.getpid()) <= before


def test_nothing_runs_after_the_embedded_aws_itself_was_killed(tmp_path):
    """Instances notice that whoever started them died, and end."""
    program = f"""
import sys, time, pathlib
from kubecfn.local.clock import ScaledClock
from kubecfn.local.fleet.instance import Instance
from kubecfn.local.fleet.machines import ProcessMachines
from kubecfn.local.world import World
world = World(ScaledClock(), "123456789012", None, lambda: "http://127.0.0.1:1", pathlib.Path({str(tmp_path)!r}))
one = Instance("i-1", "r", "z", "1", "ami", "t", "10.9.1.4", "m", "x86_64", "now", {DAEMON.encode()!r})
ProcessMachines().start(one, world, lambda: "")
time.sleep(60)
"""
    host = subprocess.Popen([sys.executable, "-c", program])
    file, deadline = tmp_path / "instances/i-1/run/daemon", time.monotonic() + 5
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    daemon = file.read_text().strip()
    assert alive(daemon)

    host.kill()
    host.wait()

    while alive(daemon):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_no_machines_is_a_machine_that_runs_nothing():
    """NoMachines leaves instances to EC2 alone."""
    machines = NoMachines()
    machines.start(None, None, None)

    assert machines.running("i-0")
    assert machines.console("i-0") == b""


@pytest.mark.parametrize(
    ("private", "loopback"),
    [("10.20.1.7", "127.20.1.7"), ("10.255.255.250", "127.255.255.250"), ("10.0.0.4", "127.0.0.4")],
)
def test_every_address_of_ten_has_a_loopback_address_of_its_own(private, loopback):
    """10.a.b.c is 127.a.b.c."""
    assert loopback_of(private) == loopback


def test_other_private_addresses_get_loopback_addresses_too():
    """Addresses outside 10/8 are spread over 127.128/9; neighbours do not meet."""
    found = {loopback_of(f"172.16.{third}.{fourth}") for third in range(4) for fourth in range(4, 250)}

    assert len(found) == 4 * 246
    assert all(128 <= int(address.split(".")[1]) <= 255 for address in found)


def instance(name, address, user_data):
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Instance(
        name,
        "eu-central-1",
        "eu-central-1a",
        "123456789012",
        "ami-1",
        "m5.large",
        address,
        "02:00:0a:09:00:04",
        "x86_64",
        now,
        user_data.encode(),
    )


def world(cloud, workdir):
    return World(
        cloud.aws.clock,
        cloud.aws.account,
        lambda service, _region: cloud.client(service),
        lambda: cloud.aws.endpoint,
        workdir,
    )


def test_a_machine_ends_when_ec2_says_its_instance_is_terminated(cloud):
    """Whoever terminates an instance through EC2 ends what runs on it, even while a hook still waits for it."""
    hook = {"LifecycleHookName": "leave", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
    name = cloud.group(1, user_data=DAEMON, LifecycleHookSpecificationList=[{**hook, "HeartbeatTimeout": 7200}])
    [instance] = cloud.states(name)
    daemon = cloud.until(
        lambda: (file := cloud.machines.root(instance) / "run/daemon").exists() and file.read_text().strip()
    )

    cloud.client("ec2").terminate_instances(InstanceIds=[instance])

    cloud.until(lambda: not alive(daemon))
    cloud.until(lambda: cloud.states(name).get(instance) == "Terminating:Wait")


def test_machines_can_be_used_again_after_close(cloud, tmp_path):
    """Emptying the embedded AWS closes the machines and starts new ones."""
    machines = ProcessMachines(grace=0.5)
    for name in ("i-1", "i-2"):
        machines.start(instance(name, "10.9.2.4", "#!/bin/sh\necho on\n"), world(cloud, tmp_path), lambda: "")
        cloud.until(lambda found=name: machines.console(found) == b"on\n")
        machines.close()
