"""What one operation does to one resource: make it, change it in place, replace it, delete it; each step with AWS's events.

AWS: User Guide "Understand update behaviors of stack resources"; Template Reference "DeletionPolicy", "UpdateReplacePolicy",
"CreationPolicy" and "UpdatePolicy attribute".
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kubecfn.local.cloudformation import creation, rolling
from kubecfn.local.cloudformation.diff import ATTRIBUTES
from kubecfn.local.cloudformation.policy import Action, denial
from kubecfn.local.cloudformation.reasons import reason_of
from kubecfn.local.cloudformation.refusals import CancelledError, OperationFailedError
from kubecfn.local.cloudformation.resolver import Scope, resolve
from kubecfn.local.cloudformation.schemas import Schema, changed_paths, schema_of
from kubecfn.local.cloudformation.signals import Signals
from kubecfn.local.cloudformation.stacks import Resource, Stack, Tags, Wanted
from kubecfn.local.cloudformation.surroundings import Surroundings
from kubecfn.local.cloudformation.template import Definition
from kubecfn.local.providers.seam import Made, Properties, Provider

# Marks what an undone replacement made: it goes whatever its policies say.
NEVER_KEPT = "undone"
GROUP = "AWS::AutoScaling::AutoScalingGroup"
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


@dataclass
class Work:
    """One operation on one stack.

    Attributes:
        wanted: what the stack is to become.
        before: tags the live resources carry.
        policy: the stack policy in force, empty in rollbacks ("a stack policy applies only during stack updates").
        cancelled: set when the operation gives up.
        abandoned: whether a deletion has taken over, so that no rollback follows.
        why: the stack's reason when a person or a time limit ended the operation.
    """

    around: Surroundings
    signals: Signals
    stack: Stack
    wanted: Wanted
    before_tags: Tags = field(default_factory=dict)
    policy: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)
    abandoned: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        self.scope: Scope = self.around.scope(self.stack, self.wanted, running=True)

    def toward(self, wanted: Wanted) -> Work:
        """Return the work of rolling back to `wanted`: no policy, not cancelled."""
        return Work(self.around, self.signals, self.stack, wanted, before_tags=self.wanted.tags)

    # deciding

    def settle(self, name: str, definition: Definition, needs: frozenset[str]) -> None:
        """Bring one resource to what the template says.

        Raises:
            OperationFailedError: after the failure has been written as an event.
        """
        live = self.stack.resources.get(name)
        kind = str(definition["Type"])
        if live is None or not live.physical_id:
            self._create(Resource(name, kind, definition, {}, needs=needs, created_by=self.stack.operation))
            return
        try:
            properties: Properties = resolve(definition.get("Properties", {}), self.scope)
        except Exception as problem:  # noqa: BLE001  whatever stops a resource becomes its event's reason
            self._fail(live, "UPDATE_FAILED", problem)
        wanted = replace(live, definition=definition, properties=properties, needs=needs)
        self._update(live, wanted, schema_of(kind, self.stack.region) or Schema(kind, (), (), frozenset(), ""))

    def _update(self, live: Resource, wanted: Resource, schema: Schema) -> None:
        paths = changed_paths(live.properties, wanted.properties)
        failed = live.status.endswith("_FAILED")
        retagged = bool(schema.tags) and self.before_tags != self.wanted.tags
        policies = any(live.definition.get(name) != wanted.definition.get(name) for name in ATTRIBUTES)
        if not (paths or failed or retagged or policies):
            self.around.stacks.put(self.stack, wanted, event=False)
            return
        replacing = any(schema.replaces(path, live.properties, wanted.properties) for path in paths)
        self.guard("Update:Replace" if replacing else "Update:Modify", live)
        if replacing:
            self._replace(live, wanted)
        elif paths or failed or retagged:
            self._modify(live, wanted)
        else:
            self._event(live, "UPDATE_IN_PROGRESS")
            self._event(wanted, "UPDATE_COMPLETE")

    def guard(self, action: Action, live: Resource) -> None:
        """Fail the resource when the stack policy forbids the action."""
        if reason := denial(self.policy, action, live.logical_id, live.type):
            self._fail(live, "UPDATE_FAILED", OperationFailedError(reason))

    # acting

    def _create(self, resource: Resource, verb: str = "CREATE") -> Resource:
        """Make a resource and wait for its CreationPolicy; `verb` UPDATE is a replacement."""
        if verb == "CREATE":
            resource = self._event(resource, f"{verb}_IN_PROGRESS")
        try:
            properties = resolve(resource.definition.get("Properties", {}), self.scope)
            resource = replace(resource, properties=properties)
            policy = resolve(resource.definition.get("CreationPolicy", {}), self.scope)
            waiting = creation.Waiting.of(policy, is_group=resource.type == GROUP)
            box = self.signals.open(self.stack, resource.logical_id)
            if self.cancelled.is_set():
                raise CancelledError  # noqa: TRY301  the same way out as a wait that is cut short
            made = self._provider(resource).create(self._context(resource), properties)
            resource = self._made(resource, made)
            resource = self._event(resource, f"{verb}_IN_PROGRESS", "Resource creation Initiated")
            current = resource
            waiting.wait(box, lambda text: self._event(current, f"{verb}_IN_PROGRESS", text))
        except Exception as problem:  # noqa: BLE001  whatever stops a resource becomes its event's reason
            self._fail(resource, f"{verb}_FAILED", problem)
        finally:
            self.signals.close(self.stack, resource.logical_id)
        return self._event(resource, f"{verb}_COMPLETE")

    def _replace(self, live: Resource, wanted: Resource) -> None:
        """Make the new one first; the old one goes in the clean-up, or comes back in a rollback."""
        self._event(live, "UPDATE_IN_PROGRESS", REPLACING)
        with self.around.stacks.lock:
            self.stack.garbage.append(live)
        fresh = replace(wanted, physical_id="", attributes={}, created_by=self.stack.operation)
        self._create(fresh, "UPDATE")

    def _modify(self, live: Resource, wanted: Resource, *, back: bool = False) -> None:
        """Change a resource in place; groups roll when their update policy says so.

        After a failure the record holds what was tried, so that a rollback changes it back; a rollback that fails (`back`)
        keeps what it found, so that the next one starts from there again.
        """
        current = self._event(replace(wanted, attributes=live.attributes), "UPDATE_IN_PROGRESS")
        try:
            if self.cancelled.is_set():
                raise CancelledError  # noqa: TRY301  the same way out as a wait that is cut short
            made = self._changed(live, wanted, current)
        except Exception as problem:  # noqa: BLE001  whatever stops a resource becomes its event's reason
            self._fail(live if back else current, "UPDATE_FAILED", problem)
        finally:
            self.signals.close(self.stack, live.logical_id)
        self._event(wanted if back else self._made(wanted, made), "UPDATE_COMPLETE")

    def _changed(self, live: Resource, wanted: Resource, current: Resource) -> Made:
        provider, context = self._provider(live), self._context(live)
        if live.type != GROUP:
            return provider.update(context, live.physical_id, live.properties, wanted.properties)
        policy = resolve(wanted.definition.get("UpdatePolicy", {}), self.scope)
        box = self.signals.open(self.stack, live.logical_id)

        def note(reason: str) -> None:
            self._event(current, "UPDATE_IN_PROGRESS", reason)

        return rolling.GroupUpdate(provider, context, live, wanted, box, note, self.stack.raised).run(policy)

    def restore(self, old: Resource, *, skip: bool) -> None:
        """Bring one resource back to what it was before the update, with the values and attributes it had then.

        So a group goes back to the launch template version whose instances it still has, and rolls only the new ones. AWS
        does not say whether it resolves references anew here; this is the reading that changes least.

        Raises:
            OperationFailedError: after the failure has been written as an event.
        """
        current = self.stack.resources[old.logical_id]
        schema = schema_of(old.type, self.stack.region)
        retagged = bool(schema and schema.tags) and self.before_tags != self.wanted.tags
        if skip:
            self._event(old, "UPDATE_COMPLETE", "Resource rollback skipped by user")
        elif current.physical_id != old.physical_id:
            with self.around.stacks.lock:
                self.stack.garbage = [kept for kept in self.stack.garbage if kept.physical_id != old.physical_id]
                self.stack.garbage += [replace(current, created_by=NEVER_KEPT)] if current.physical_id else []
            self._event(old, "UPDATE_COMPLETE")
        elif changed_paths(current.properties, old.properties) or (retagged and current.updated != old.updated):
            self._modify(current, old, back=True)
        elif current.status == "UPDATE_FAILED" or current.definition != old.definition:
            self.around.stacks.put(
                self.stack, replace(old, status="UPDATE_COMPLETE"), event=current.updated != old.updated
            )

    def delete(self, resource: Resource, *, keep: bool) -> None:
        """Delete a resource, or leave it to its owner when a policy says so.

        Raises:
            OperationFailedError: after DELETE_FAILED has been written.
        """
        if keep:
            self._note(resource, "DELETE_SKIPPED")
            return
        if resource.physical_id:
            self._note(resource, "DELETE_IN_PROGRESS")
            try:
                properties = dict(resource.properties)
                self._provider(resource).delete(self._context(resource), resource.physical_id, properties)
            except Exception as problem:
                reason = reason_of(problem, resource.type, self._token)
                self._note(resource, "DELETE_FAILED", reason)
                raise OperationFailedError(reason) from problem
        self._note(resource, "DELETE_COMPLETE")

    def give_up(self) -> None:
        """Start nothing more and end every wait for signals."""
        self.cancelled.set()
        self.signals.cancel(self.stack)

    # helpers

    def _provider(self, resource: Resource) -> Provider:
        return self.around.provider(resource.type)

    def _context(self, resource: Resource) -> Any:
        return self.around.context(self.stack, resource.logical_id, self.wanted.tags)

    def _made(self, resource: Resource, made: Made) -> Resource:
        attributes: Mapping[str, Any] = dict(made.attributes)
        return replace(resource, physical_id=made.physical_id, attributes=attributes)

    def _event(self, resource: Resource, status: str, reason: str = "") -> Resource:
        now = replace(resource, status=status, reason=reason, updated=self.around.world.clock.now())
        self.around.stacks.put(self.stack, now)
        return now

    @property
    def _token(self) -> str:
        return self.stack.token or self.stack.operation

    def _note(self, resource: Resource, status: str, reason: str = "") -> None:
        """Write a deletion's event; a resource the stack still lists takes the state too."""
        with self.around.stacks.lock:
            listed = self.stack.resources.get(resource.logical_id)
            if listed is not None and listed.physical_id == resource.physical_id:
                self._event(resource, status, reason)
            else:
                self.around.stacks.note(self.stack, resource, status, reason)

    def _fail(self, resource: Resource, status: str, problem: Exception) -> Any:
        reason = reason_of(problem, resource.type, self._token)
        if isinstance(problem, CancelledError) and status.startswith("UPDATE"):
            reason = "Resource update cancelled"
        self._event(resource, status, reason)
        raise OperationFailedError(reason) from problem
