#!/usr/bin/env python3
"""Fetch this node's bundle, check it, unpack it and become its agent; signal the step that fails.

The template fills in what stands in ${...}; kubecfn.node.bootstrap drops comments and indents by one space.
"""

import hashlib, io, json, os, tarfile, time
import boto3

ROOT = os.environ.get("KUBECFN_ROOT", "")
WAIT = float(os.environ.get("KUBECFN_PATIENCE", 120))
REGION = "${AWS::Region}"
SHA = "${BundleSha256}"
me = ""


# IAM is eventually consistent: the first calls of a new role are refused for a while. Who does not reach AWS at all, not
# even to ask who it is, can tell nobody, and goes on trying: with no names, or a clock that AWS refuses, for hours.
def aws(service, call, args):
    end = time.monotonic() + WAIT
    while 1:
        try:
            got = getattr(boto3.client(service, REGION), call)(**args)
            return got["Body"].read() if "Body" in got else got
        except Exception:
            if me and time.monotonic() > end:
                raise
            time.sleep(WAIT / 60)


# The session of an instance's role is named as the instance (IAM User Guide: "IAM identifiers", aws:userid).
me = aws("sts", "get_caller_identity", {})["UserId"].split(":")[1]
signal = dict(StackName="${AWS::StackName}", LogicalResourceId="${Group}", UniqueId=me)
log = dict(logGroupName="${NodeLogGroup}", logStreamName=me)
try:
    step = "fetch-bundle"
    key = f"${Cluster}/${Role}/${Role}-{SHA}.tar.gz"
    data = aws("s3", "get_object", dict(Bucket="${ArtifactBucket}", Key=key))
    step = "verify-bundle"
    sha = hashlib.sha256(data).hexdigest()
    if sha != SHA:
        raise ValueError("its SHA-256 is " + sha)
    step = "unpack-bundle"
    tar = tarfile.open(fileobj=io.BytesIO(data))
    # Every entry is judged before the first byte is written: a bad bundle leaves nothing behind.
    for m in tar.getmembers():
        if not m.isreg() or ".." in m.name or m.name[0] == "/":
            raise ValueError("unsafe entry " + m.name)
    # There is no moment in which others can read a key: a file is made 0600, then given its mode.
    os.umask(0o77)
    # Newer Pythons want to hear that every entry is taken as it is: they were judged above.
    tar.extraction_filter = lambda m, _: m
    tar.extractall(ROOT + "/")
    step = "start-agent"
    agent = f"{ROOT}/usr/local/bin/kubecfn-agent"
    os.execl(agent, agent, "start", json.dumps(dict(region=REGION, signal=signal, log=log)), """${Pool}""")
except Exception as e:
    line = json.dumps(dict(instance=me, step=step, reason=str(e), at=time.strftime("%FT%TZ", time.gmtime())))
    WAIT /= 4
    for call in (
        ("logs", "create_log_stream", log),
        ("logs", "put_log_events", dict(log, logEvents=[dict(timestamp=int(time.time() * 1000), message=line)])),
        ("cloudformation", "signal_resource", dict(signal, Status="FAILURE")),
    ):
        try:
            aws(*call)
        except Exception as e:
            print(e)
    raise SystemExit(line)
