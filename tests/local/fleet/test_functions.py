import base64
import io
import json
import threading
import zipfile

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ECHO = (
    "def handle(event, context):\n    print('saw', event)\n    return {'got': event, 'name': context.function_name}\n"
)
COUNT = "calls = []\ndef handle(event, context):\n    calls.append(event)\n    return len(calls)\n"
WHO = "import boto3\ndef handle(event, context):\n    return boto3.client('sts').get_caller_identity()['Arn']\n"
FAIL = "def handle(event, context):\n    raise ValueError('no such member')\n"
SLOW = "import time\ndef handle(event, context):\n    time.sleep(60)\n"
CROSSING = """
import os, time
def handle(event, context):
    marker = os.path.join(os.environ['MARKERS'], 'busy')
    alone = not os.path.exists(marker)
    open(marker, 'w').close()
    time.sleep(0.05)
    os.remove(marker)
    return alone
"""


def zipped(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".py", text)
    return out.getvalue()


def invoke(cloud, name, event=None, **arguments):
    """Invoke a function; return the answer with its payload parsed."""
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), **arguments)
    return answer, json.loads(answer["Payload"].read() or "null")


def logged(cloud, name, group=""):
    """Return every line a function logged."""
    logs, group = cloud.client("logs"), group or f"/aws/lambda/{name}"
    try:
        return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def test_a_function_answers_what_its_handler_returns(cloud):
    """RequestResponse returns the handler's result; what it printed is in the tail and in its log group."""
    name = cloud.function(ECHO)

    answer, result = invoke(cloud, name, {"a": 1}, LogType="Tail")

    assert (answer["StatusCode"], result) == (200, {"got": {"a": 1}, "name": name})
    assert "saw {'a': 1}" in base64.b64decode(answer["LogResult"]).decode()
    assert "saw {'a': 1}" in logged(cloud, name)


def test_a_function_logs_where_its_configuration_says(cloud):
    """LoggingConfig names the log group; the default one then stays empty, and an update moves it."""
    first, second = (f"/own/{cloud.name('logs')}" for _ in range(2))
    name = cloud.function(ECHO, LoggingConfig={"LogGroup": first, "LogFormat": "Text"})

    invoke(cloud, name, {"a": 1})
    assert "saw {'a': 1}" in logged(cloud, name, first)
    assert logged(cloud, name) == []

    cloud.client("lambda").update_function_configuration(FunctionName=name, LoggingConfig={"LogGroup": second})
    invoke(cloud, name, {"b": 2})
    assert "saw {'b': 2}" in logged(cloud, name, second)
    assert "saw {'b': 2}" not in logged(cloud, name, first)


def test_a_function_is_kept_warm_until_its_code_changes(cloud):
    """One environment serves many invocations; new code gets a new one."""
    name = cloud.function(COUNT)
    assert [invoke(cloud, name)[1] for _ in range(3)] == [1, 2, 3]

    cloud.client("lambda").update_function_code(FunctionName=name, ZipFile=zipped(handler=COUNT.replace("len", "-len")))

    assert [invoke(cloud, name)[1] for _ in range(2)] == [-1, -2]


def test_a_changed_environment_variable_reaches_the_function(cloud):
    """A new configuration is a new environment too."""
    source = "import os\ndef handle(event, context):\n    return os.environ['GROUP']\n"
    name = cloud.function(source, Environment={"Variables": {"GROUP": "one"}})
    before = invoke(cloud, name)[1]

    cloud.client("lambda").update_function_configuration(FunctionName=name, Environment={"Variables": {"GROUP": "two"}})

    assert (before, invoke(cloud, name)[1]) == ("one", "two")


def test_a_function_acts_as_its_own_role(cloud):
    """Calls of a function come from assumed-role/ROLE/FUNCTION."""
    name = cloud.function(WHO)

    assert invoke(cloud, name)[1] == f"arn:aws:sts::123456789012:assumed-role/{name}/{name}"


def test_a_handler_inside_a_package_is_found(cloud):
    """``package.module.function`` names a function in a package of the zip."""
    name = cloud.function(ECHO, Handler="etcd_discovery.handler.handle")
    code = zipped(etcd_discovery____init__="", etcd_discovery__handler=ECHO)
    cloud.client("lambda").update_function_code(FunctionName=name, ZipFile=code)

    assert invoke(cloud, name, 7)[1]["got"] == 7


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        (FAIL, "ValueError", "no such member"),
        ("import nowhere\n", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("other = 1\n", "Runtime.HandlerNotFound", "Handler 'handle' missing"),
        ("def handle(event, context):\n    return object()\n", "Runtime.MarshalError", "Unable to marshal"),
        ("import os\ndef handle(event, context):\n    os._exit(3)\n", "Runtime.ExitError", "exit"),
    ],
)
def test_a_function_that_fails_is_a_function_error(cloud, source, kind, words):
    """An exception, a missing module or a crash is FunctionError Unhandled with type and message, and status 200."""
    answer, result = invoke(cloud, cloud.function(source))

    assert (answer["StatusCode"], answer["FunctionError"], result["errorType"]) == (200, "Unhandled", kind)
    assert words in result["errorMessage"]


def test_a_function_that_takes_too_long_is_ended(cloud):
    """Timeout ends the environment; the next invocation gets a new one."""
    name = cloud.function(SLOW, timeout=1)

    answer, result = invoke(cloud, name)

    assert answer["FunctionError"] == "Unhandled"
    assert "Task timed out after 1.00 seconds" in result["errorMessage"]


def test_the_time_left_is_counted_in_real_seconds(cloud):
    """get_remaining_time_in_millis starts at Timeout and shrinks no faster because the clock runs fast."""
    name = cloud.function(
        "def handle(event, context):\n    return context.get_remaining_time_in_millis()\n", timeout=900
    )

    assert 890_000 < invoke(cloud, name)[1] <= 900_000


def test_one_function_runs_one_event_at_a_time(cloud, tmp_path):
    """Invocations of one function are serialised."""
    name = cloud.function(CROSSING, Environment={"Variables": {"MARKERS": str(tmp_path)}})
    alone = []
    threads = [threading.Thread(target=lambda: alone.append(invoke(cloud, name)[1])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert alone == [True] * 4


def test_reserved_concurrency_zero_throttles(cloud):
    """A function whose reserved concurrency is 0 answers TooManyRequestsException until it is lifted."""
    name = cloud.function(ECHO)
    client = cloud.aws.session().client(
        "lambda",
        endpoint_url=cloud.aws.endpoint,
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)

    with pytest.raises(ClientError, match="TooManyRequestsException"):
        client.invoke(FunctionName=name)

    client.delete_function_concurrency(FunctionName=name)
    assert client.invoke(FunctionName=name)["StatusCode"] == 200


def test_a_function_that_does_not_exist_is_not_found(cloud):
    """Invoke names the function it did not find."""
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*nobody"):
        cloud.client("lambda").invoke(FunctionName="nobody")


def test_an_asynchronous_event_is_tried_three_times_and_then_recorded(cloud):
    """Two retries, one and two minutes later; then the record goes to the OnFailure destination as the function's role."""
    name = cloud.function(FAIL, policy=["logs:*", "sqs:*"])
    queue = cloud.client("sqs").create_queue(QueueName=cloud.name("failed"))["QueueUrl"]
    arn = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}}
    )

    answer = cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload='{"a": 1}')
    [message] = cloud.until(lambda: cloud.client("sqs").receive_message(QueueUrl=queue).get("Messages"))
    record = json.loads(message["Body"])

    assert answer["StatusCode"] == 202
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert (record["requestContext"]["approximateInvokeCount"], record["requestPayload"]) == (3, {"a": 1})
    assert sum(line.startswith("START") for line in logged(cloud, name)) == 3
    [sent] = cloud.aws.recorder.by("SendMessage", caller=name)
    assert sent.outcome == "ok"


def test_an_asynchronous_event_without_retries_is_tried_once(cloud):
    """MaximumRetryAttempts 0 is honoured."""
    name = cloud.function(FAIL)
    cloud.client("lambda").put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)

    cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload="{}")
    cloud.until(lambda: logged(cloud, name))

    cloud.stays(lambda: sum(line.startswith("START") for line in logged(cloud, name)) == 1, seconds=0.5)
