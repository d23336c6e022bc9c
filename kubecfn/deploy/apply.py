"""From what shall be to a stack that is: upload, change set, explanation, a person's yes, execution, and watching it.

Reading `apply` from top to bottom is reading what happens; whatever is not executed is taken back.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.deploy import changeset, protection
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.bucket import ArtifactBucket
from kubecfn.deploy.explain import Explanation, explain, lines
from kubecfn.deploy.follow import Followed, watch
from kubecfn.deploy.progress import Ask, Kind, Progress, Question, RealClock, Reporter, Waiting, Work, silent
from kubecfn.deploy.settle import refuse_unplannable, settle
from kubecfn.deploy.stacks import Stack, last_event_at, read_stack
from kubecfn.deploy.states import State
from kubecfn.deploy.stopping import DetachedError, StoppedError, between_steps
from kubecfn.deploy.subject import new_stack, subject_of
from kubecfn.deploy.templates import INLINE_LIMIT, URL_LIMIT
from kubecfn.deploy.upload import Artifact, put, upload
from kubecfn.deploy.why import tell_why
from kubecfn.errors import DeclinedError, KubecfnError, StackError, WrongUseError

_UNASKED = (
    f"The template is larger than the {INLINE_LIMIT:,} bytes of a request, and there is no artifact bucket yet to send it through: "
    "this is read off the template alone. CloudFormation checks it when it is applied."
)


@dataclass(frozen=True)
class Deployment:
    """What shall be.

    Attributes:
        stack: its name.
        cluster: the cluster's name: prefix of its artifacts, part of its log group's name.
        template: the text to send.
        parameters: every value by name.
        tags: of the stack.
        artifacts: local files that the parameters name by hash.
        bucket: where they go; None only in a plan whose template fits into the request.
        termination_protection: whether the stack is held against deletion.
    """

    stack: str
    cluster: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    artifacts: tuple[Artifact, ...]
    bucket: ArtifactBucket | None
    termination_protection: bool = True


@dataclass(frozen=True)
class Outcome:
    """What `apply` did.

    Attributes:
        changed: False when there was nothing to change.
        seconds: how long it took.
    """

    stack: Stack
    changed: bool
    explanation: Explanation
    seconds: float

    @property
    def state(self) -> State:
        """The state the stack rests in."""
        return self.stack.state

    @property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs."""
        return self.stack.outputs

    @property
    def lines(self) -> tuple[str, ...]:
        """It in plain lines: how it ended, then the outputs."""
        verdict = (
            f"is {self.state} after {self.seconds:.0f} s" if self.changed else "is as it should be; nothing changes"
        )
        return (f"{self.stack.name} {verdict}.", *(f"  {name}: {value}" for name, value in self.outputs.items()))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "stack": self.stack.to_json(),
            "changed": self.changed,
            "seconds": round(self.seconds, 1),
            "explanation": self.explanation.to_json(),
        }


def plan(deployment: Deployment, aws: Aws, *, clock: Waiting | None = None, report: Reporter = silent) -> Explanation:
    """Return what `apply` would change; nothing is changed, and nothing of the asking is left behind.

    Raises:
        StackError: the stack is in a state in which nothing can be planned.
        AwsError: AWS refuses.
        StoppedError: Ctrl-C.
    """
    waiting = clock or RealClock()
    try:
        stack = read_stack(aws, deployment.stack)
        refuse_unplannable(aws, stack)
        if deployment.bucket is None and not stack.stands and len(deployment.template.encode()) > INLINE_LIMIT:
            report(Progress(Kind.NOTE, _UNASKED))
            return explain(new_stack(deployment.stack, deployment.template, deployment.parameters))
        change_set = changeset.create(aws, _request(deployment, aws), stack, clock=waiting, report=report)
        if change_set is None:
            return Explanation(deployment.stack, creates=False)
        try:
            return explain(subject_of(aws, change_set, deployment.template, deployment.parameters))
        finally:
            changeset.discard(aws, change_set)
    except KeyboardInterrupt as interrupt:
        raise StoppedError("Stopped; a plan changes nothing, and its change set is deleted.") from interrupt


def apply(
    deployment: Deployment,
    aws: Aws,
    *,
    ask: Ask,
    clock: Waiting | None = None,
    report: Reporter = silent,
    come_back: str = "kubecfn apply",
) -> Outcome:
    """Bring the stack to what shall be, and watch it until it rests.

    A stack on which an operation runs is followed to its end first, so that a second `apply` picks up where a lost
    terminal left.

    Args:
        deployment: what shall be.
        aws: account and region.
        ask: decides; it is shown the explanation.
        clock: what to wait by; None is the wall clock.
        report: is told every step.
        come_back: the command that picks the stack up again, told after Ctrl-C.

    Raises:
        DeclinedError: a person said no; nothing was changed.
        StoppedError: Ctrl-C before the execution; nothing was changed.
        DetachedError: Ctrl-C while watching; the stack goes on.
        StackError: the change is refused, or failed; the message says why.
        AwsError: AWS refuses.
    """
    work = Work(clock or RealClock(), report, come_back)
    with between_steps(work):
        return _apply(deployment, aws, ask, work)


def _apply(deployment: Deployment, aws: Aws, ask: Ask, work: Work) -> Outcome:
    started = work.clock.monotonic()
    stack = settle(aws, deployment.stack, deployment.cluster, ask, work)
    change_set, explanation = _prepare(deployment, aws, stack, ask, work)
    if change_set is None:
        protection.hold(aws, deployment.stack, enabled=deployment.termination_protection)
        work.tell(Kind.NOTE, f"{deployment.stack}: nothing changes")
        return Outcome(stack, changed=False, explanation=explanation, seconds=work.clock.monotonic() - started)
    ended = _carry_out(aws, change_set, work)
    if not ended.well:
        raise _failed(aws, deployment, ended.stack)
    protection.hold(aws, deployment.stack, enabled=deployment.termination_protection)
    return Outcome(ended.stack, changed=True, explanation=explanation, seconds=work.clock.monotonic() - started)


def _carry_out(aws: Aws, change_set: changeset.ChangeSet, work: Work) -> Followed:
    """Execute and watch; a change set that cannot be executed is taken back."""
    try:
        since = last_event_at(aws, change_set.stack_id)
        changeset.execute(aws, change_set, _token(aws))
        work.tell(Kind.STEP, f"CloudFormation works on {change_set.stack}")
    except KeyboardInterrupt as interrupt:
        raise DetachedError(change_set.stack, "it may just have begun the change", work.come_back) from interrupt
    except KubecfnError:
        changeset.discard(aws, change_set, quietly=True)
        raise
    return watch(aws, change_set.stack_id, work, since=since, began=False, changes=len(change_set.changes))


def _prepare(
    deployment: Deployment, aws: Aws, stack: Stack, ask: Ask, work: Work
) -> tuple[changeset.ChangeSet | None, Explanation]:
    """Upload, make the change set, explain it and ask; whatever ends this early takes the change set back."""
    change_set = None
    try:
        if deployment.bucket is not None:
            upload(aws, deployment.bucket, deployment.artifacts, report=work.report)
        change_set = changeset.create(aws, _request(deployment, aws), stack, clock=work.clock, report=work.report)
        if change_set is None:
            return None, Explanation(deployment.stack, creates=False)
        explanation = explain(subject_of(aws, change_set, deployment.template, deployment.parameters))
        _decide(explanation, ask)
    except KeyboardInterrupt as interrupt:
        if change_set is not None:
            changeset.discard(aws, change_set, quietly=True)
        raise StoppedError(
            f"Stopped; nothing was changed in {deployment.stack}, and the change set is deleted.",
            remedy="What was uploaded stays and is not sent again.",
        ) from interrupt
    except BaseException:
        if change_set is not None:
            changeset.discard(aws, change_set, quietly=True)
        raise
    return change_set, explanation


def _decide(explanation: Explanation, ask: Ask) -> None:
    if explanation.refusals:
        reasons = " ".join(explanation.refusals)
        raise StackError(
            f"This change of {explanation.stack} is refused: {reasons}",
            remedy="Change the configuration so that it takes a step that is possible.",
        )
    verb = "Create" if explanation.creates else "Change"
    question = Question("change", f"{verb} the stack {explanation.stack}?", tuple(lines(explanation)), explanation)
    if not ask(question):
        raise DeclinedError(f"Declined; nothing was changed in {explanation.stack}, and the change set is deleted.")


def _request(deployment: Deployment, aws: Aws) -> changeset.Request:
    return changeset.Request(
        deployment.stack, _template_argument(deployment, aws), deployment.parameters, deployment.tags
    )


def _template_argument(deployment: Deployment, aws: Aws) -> dict[str, str]:
    """Return TemplateBody, or TemplateURL for a template too large for a request (CloudFormation: "Quotas")."""
    data = deployment.template.encode()
    if len(data) <= INLINE_LIMIT:
        return {"TemplateBody": deployment.template}
    if len(data) > URL_LIMIT:
        raise WrongUseError(
            f"The template of {deployment.stack} has {len(data):,} bytes; CloudFormation takes {URL_LIMIT:,} at most.",
            remedy="Use fewer pools, labels or allowed networks.",
        )
    if deployment.bucket is None:
        raise WrongUseError(
            f"The template of {deployment.stack} has {len(data):,} bytes, more than the {INLINE_LIMIT:,} that fit into a "
            "request, and there is no artifact bucket yet to send it through.",
            remedy="Run kubecfn upload first: it makes the bucket.",
        )
    key = template_key(deployment.cluster, data)
    put(aws, deployment.bucket, key, data)
    # Path style: every partition's regional endpoint takes it, and so does AWS_ENDPOINT_URL.
    return {"TemplateURL": f"{aws.client('s3').meta.endpoint_url}/{deployment.bucket.name}/{key}"}


def template_key(cluster: str, data: bytes) -> str:
    """Return where a template goes in the bucket."""
    import hashlib  # noqa: PLC0415  beside its only use

    return f"{cluster}/templates/{hashlib.sha256(data).hexdigest()}.yaml"


def _token(aws: Aws) -> str:
    """Return a ClientRequestToken that tells other operators who began."""
    who = re.sub(r"[^A-Za-z0-9]+", "-", aws.caller.split("/")[-1].split(":")[-1]).strip("-")
    return f"kubecfn-{who[:80]}-{secrets.token_hex(6)}"


def _failed(aws: Aws, deployment: Deployment, stack: Stack) -> StackError:
    diagnosis = tell_why(aws, stack.id or deployment.stack, deployment.cluster, stack.reason)
    return StackError(
        f"The stack {deployment.stack} ended in {stack.state}.\n{diagnosis.text()}", remedy=diagnosis.next_step
    )
