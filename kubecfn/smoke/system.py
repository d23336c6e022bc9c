"""Are kube-system's pods well, are there requests for certificates that nobody answers, is there a place for volumes?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from kubecfn.smoke.check import Found, found
from kubecfn.smoke.nodes import STATIC
from kubecfn.smoke.subject import Subject

_APPS = "/apis/apps/v1/namespaces/kube-system"
_CERTIFICATES = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_KUBELETS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
# An approver that looks every few seconds has long answered.
PATIENCE = timedelta(minutes=2)


def pods(subject: Subject) -> Found:
    """Every pod of kube-system is well, and every workload there has as many as it wants."""
    others = [one for one in subject.system_pods if not one.name.startswith(STATIC)]
    problems = [f"{one.name} on {one.node or 'no node'}: {one.trouble}" for one in others if one.trouble]
    workloads = [*subject.client.list(f"{_APPS}/deployments"), *subject.client.list(f"{_APPS}/daemonsets")]
    problems += [trouble for one in workloads for trouble in _short(one)]
    if not workloads:
        problems.append("kube-system has no Deployment and no DaemonSet at all")
    return found(problems, f"{len(others)} pods of {len(workloads)} workloads are well")


def _short(workload: Mapping[str, Any]) -> Iterator[str]:
    status, spec, name = workload.get("status", {}), workload.get("spec", {}), workload["metadata"]["name"]
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        yield f"{name}: what is wanted of it has not been looked at"
        return
    if workload["kind"] == "DaemonSet":
        wanted, there = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    else:
        wanted, there = spec.get("replicas", 1), status.get("readyReplicas", 0)
    if there < wanted:
        yield f"{name} has {there} of {wanted} pods ready"


def requests(subject: Subject) -> Found:
    """No kubelet waits for its certificate, and none was denied one."""
    asked = [one for one in subject.client.list(_CERTIFICATES) if one["spec"]["signerName"] in _KUBELETS]
    problems = [trouble for one in asked for trouble in _unanswered(one, subject.now)]
    return found(problems, f"{len(asked)} requests of kubelets, all answered" if asked else "none is waiting")


def _unanswered(request: Mapping[str, Any], now: datetime) -> Iterator[str]:
    about, status = request["metadata"], request.get("status", {})
    verdicts = {one["type"]: one for one in status.get("conditions", ())}
    who = request["spec"].get("username", about["name"])
    for word in ("Denied", "Failed"):
        if word in verdicts:
            yield f"{who}: {word.lower()} ({verdicts[word].get('message') or verdicts[word].get('reason', 'no reason')})"
            return
    age = now - datetime.fromisoformat(about["creationTimestamp"])
    if not status.get("certificate") and age > PATIENCE:
        what = "approved, and not signed" if "Approved" in verdicts else "not approved"
        yield f"{who} has waited for {age.total_seconds():.0f} s: {what}"


def storage(subject: Subject) -> Found:
    """There is one default storage class, where the configuration brings volumes."""
    classes = list(subject.client.list(_CLASSES))
    default = [
        one["metadata"]["name"] for one in classes if one["metadata"].get("annotations", {}).get(_DEFAULT) == "true"
    ]
    if not default and not subject.config.addons.ebs_csi:
        return found((), "no default class, as configured (addons.ebs_csi: false)")
    problems = [] if default else ["there is no default storage class: claims without a class wait for ever"]
    if len(default) > 1:
        problems.append(f"several classes are the default: {', '.join(sorted(default))}")
    return found(problems, f"{', '.join(default)} is the default class")
