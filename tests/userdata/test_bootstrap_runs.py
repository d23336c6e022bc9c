import json
import tarfile

import pytest

SIGNAL = {"StackName": "payments", "LogicalResourceId": "Controllers", "UniqueId": "i-0123456789abcdef0"}


def assert_failed(node, process, step, reason):
    """The instance said once, to the stack and to the log group, which step failed and why, and left nothing on its disk."""
    status, said = node.end(process)
    assert status == 1, said
    assert node.world.signals.taken == [{**SIGNAL, "Status": "FAILURE"}], said
    (line,) = node.said()
    assert (line["instance"], line["step"]) == (SIGNAL["UniqueId"], step)
    assert reason in line["reason"]
    assert set(line) == {"instance", "step", "reason", "at"}


def test_a_good_bundle_ends_in_a_node_that_signals_and_stays(node, bundle):
    """User data fetches, checks, unpacks and becomes the agent, which signals SUCCESS and ends only when told to."""
    process = node.boot(node.upload(bundle))

    node.wait_until_signalled()

    assert node.world.signals.taken == [{**SIGNAL, "Status": "SUCCESS"}]
    assert (node.root / "etc/kubernetes/pki/ca.crt").stat().st_mode & 0o777 == 0o644
    assert json.loads((node.root / "etc/kubecfn/node.json").read_text())["role"] == "worker"
    status, said = node.stop(process)
    assert status == 0, said
    decisions = [json.loads(line)["decision"] for line in said.splitlines()]
    assert decisions == ["check-files", "signal", "stop"]
    assert node.said() == []


def test_a_controller_that_ec2_does_not_know_says_so(node, controllers):
    """A controller has to learn its address, its group and its bucket before anything else; without them it is none."""
    node.role = "controller"

    process = node.boot(node.upload(controllers))

    assert_failed(node, process, "identity", "DescribeInstances")


def test_a_later_boot_signals_nothing_and_is_in_the_log_once(node, bundle):
    """During an update, the word of an old instance that reboots would count for a new one; a person reads why it fails."""
    process = node.boot(node.upload(bundle))
    node.wait_until_signalled()
    node.stop(process)
    node.world.signals.taken.clear()
    (node.root / "etc/kubernetes/pki/ca.crt").unlink()

    status, said = node.end(node.reboot())
    node.end(node.reboot())

    assert (status, node.world.signals.taken) == (1, [])
    assert [one["reason"] for one in node.said()] == ["/etc/kubernetes/pki/ca.crt is missing"]
    assert "/etc/kubernetes/pki/ca.crt is missing" in said


def test_a_bundle_with_another_hash_is_not_unpacked(node, bundle):
    """What was changed after its upload never reaches the disk."""
    process = node.boot(node.upload(bundle + b"\0", name="0" * 64))

    assert_failed(node, process, "verify-bundle", "its SHA-256 is ")
    assert list(node.root.iterdir()) == []


def test_a_read_that_stays_denied_is_signalled(node, bundle):
    """Denied reads are tried again, since IAM is eventually consistent, and end in FAILURE, not in silence."""
    process = node.boot(node.upload(bundle), rights=_without_s3())

    assert_failed(node, process, "fetch-bundle", "AccessDenied")
    reads = [one for one in node.world.aws.recorder.calls if one.call.operation == "GetObject"]
    assert len(reads) > 1
    assert list(node.root.iterdir()) == []


def test_who_is_not_even_told_who_it_is_goes_on_asking(node, bundle):
    """With no names or with a clock that AWS refuses it can tell nobody: an instance that gave up would never join."""
    fault = node.world.aws.faults.add(kind="denied", service="sts", operation="GetCallerIdentity", times=100)
    process = node.boot(node.upload(bundle))

    node.wait_until_signalled()

    assert fault.struck == fault.times  # which takes longer than its patience
    node.stop(process)


def _without_s3():
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "cloudformation:SignalResource"]
    return [{"Effect": "Allow", "Action": actions, "Resource": "*"}]


def test_a_log_group_that_refuses_does_not_keep_the_signal_back(node, bundle):
    """The signal ends the wait of a whole update; the log line only explains it."""
    rights = [{"Effect": "Allow", "Action": "cloudformation:SignalResource", "Resource": "*"}]

    status, _ = node.end(node.boot(node.upload(bundle), rights=rights))

    assert (status, node.said()) == (1, [])
    assert node.world.signals.taken == [{**SIGNAL, "Status": "FAILURE"}]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("etc/good", tarfile.REGTYPE), ("etc/../../outside", tarfile.REGTYPE)], "unsafe entry etc/../../outside"),
        ([("etc/good", tarfile.REGTYPE), ("/etc/absolute", tarfile.REGTYPE)], "unsafe entry /etc/absolute"),
        ([("etc/good", tarfile.REGTYPE), ("etc/link", tarfile.SYMTYPE)], "unsafe entry etc/link"),
    ],
    ids=["parent", "absolute", "link"],
)
def test_an_unsafe_entry_keeps_the_whole_bundle_off_the_disk(node, packed, members, reason):
    """Every name is judged before the first byte is written, whatever the hash says."""
    process = node.boot(node.upload(packed(*members)))

    assert_failed(node, process, "unpack-bundle", reason)
    assert list(node.root.iterdir()) == []
    assert not (node.root.parent / "outside").exists()


def test_a_truncated_archive_leaves_nothing_behind(node, bundle):
    """Half a bundle is no bundle, even when its hash was computed after it was cut."""
    process = node.boot(node.upload(bundle[: len(bundle) // 2]))

    assert_failed(node, process, "unpack-bundle", "")
    assert list(node.root.iterdir()) == []


def test_a_bundle_without_an_agent_is_a_failed_start(node, packed):
    """What cannot be started is said by the step that tried."""
    process = node.boot(node.upload(packed(("etc/kubecfn/node.json", tarfile.REGTYPE))))

    assert_failed(node, process, "start-agent", "No such file or directory")


def test_a_signal_nobody_waits_for_is_no_failure(node, bundle, refusal):
    """A group starts instances by itself, outside of any update: then the stack takes no signals, and the node goes on."""
    words = "Resource Controllers is in UPDATE_COMPLETE state and can not be signaled"
    node.world.signals.refusals.append(refusal("ValidationError", words))
    process = node.boot(node.upload(bundle))

    node.wait_until_signalled()

    status, said = node.stop(process)
    assert status == 0, said
    assert words in said
    assert node.world.signals.taken == []
