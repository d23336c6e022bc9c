"""Fetch the instance's user data over IMDSv2 and run it, once for each instance id, with its output on the console too.

Source: cloud-init documentation, "User data formats" (a script begins with #!), "Boot stages", "Module frequency" (once per
instance, kept by a file named after the module).
"""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SERVICE = "http://169.254.169.254/latest/"
LOG = Path("/var/log/cloud-init-output.log")
# cloud-init waits for the service too: two minutes (datasource Ec2, max_wait).
PATIENCE = 120


def ask(path, method="GET", headers=None):
    """Return what the metadata service answers."""
    request = urllib.request.Request(SERVICE + path, method=method, headers=headers or {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read()


def token():
    """Return a token for the next minutes; the service may not answer at once."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return ask("api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}).decode()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def main():
    """Run the user data unless this instance has run it before; return its exit status."""
    session = {"X-aws-ec2-metadata-token": token()}
    instance = Path("/var/lib/cloud/instances", ask("meta-data/instance-id", headers=session).decode())
    done = instance / "sem" / "config_scripts_user"
    if done.exists():
        return 0
    data = ask("user-data", headers=session)
    if not data.startswith(b"#!"):
        sys.stdout.write("cloud-init stand-in: this user data is no script and is not run here\n")
        return 0
    done.parent.mkdir(parents=True, exist_ok=True)
    done.touch()
    script = instance / "user-data.txt"
    script.write_bytes(data)
    script.chmod(0o700)
    with (
        LOG.open("ab") as log,
        subprocess.Popen([str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run,
    ):
        for line in run.stdout:
            log.write(line)
            log.flush()
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    sys.stdout.write(f"cloud-init stand-in: user data ended with {run.returncode}\n")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
