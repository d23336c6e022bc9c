"""Which flags a minor's kube-apiserver and kubelet know, as their own --help lists them, and which are kubecfn's to set.

Nothing here reads a clock, a disk or the network.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from kubecfn.versions import refuse_flags, release_of

Component = Literal["kube-apiserver", "kubelet"]

_API_SERVER = """
    admission-control admission-control-config-file advertise-address aggregator-reject-forwarding-redirect
    allow-metric-labels allow-metric-labels-manifest allow-privileged anonymous-auth api-audiences
    audit-log-batch-buffer-size audit-log-batch-max-size audit-log-batch-max-wait audit-log-batch-throttle-burst
    audit-log-batch-throttle-enable audit-log-batch-throttle-qps audit-log-compress audit-log-format
    audit-log-maxage audit-log-maxbackup audit-log-maxsize audit-log-mode audit-log-path
    audit-log-truncate-enabled audit-log-truncate-max-batch-size audit-log-truncate-max-event-size
    audit-log-version audit-policy-file audit-webhook-batch-buffer-size audit-webhook-batch-max-size
    audit-webhook-batch-max-wait audit-webhook-batch-throttle-burst audit-webhook-batch-throttle-enable
    audit-webhook-batch-throttle-qps audit-webhook-config-file audit-webhook-initial-backoff audit-webhook-mode
    audit-webhook-truncate-enabled audit-webhook-truncate-max-batch-size audit-webhook-truncate-max-event-size
    audit-webhook-version authentication-config authentication-token-webhook-cache-ttl
    authentication-token-webhook-config-file authentication-token-webhook-version authorization-config
    authorization-mode authorization-policy-file authorization-webhook-cache-authorized-ttl
    authorization-webhook-cache-unauthorized-ttl authorization-webhook-config-file authorization-webhook-version
    bind-address cert-dir client-ca-file contention-profiling coordinated-leadership-lease-duration
    coordinated-leadership-renew-deadline coordinated-leadership-retry-period cors-allowed-origins
    debug-socket-path default-not-ready-toleration-seconds default-unreachable-toleration-seconds
    delete-collection-workers disable-admission-plugins disable-http2-serving disabled-metrics
    egress-selector-config-file emulated-version emulation-forward-compatible enable-admission-plugins
    enable-aggregator-routing enable-bootstrap-token-auth enable-garbage-collector enable-logs-handler
    enable-priority-and-fairness encryption-provider-config encryption-provider-config-automatic-reload
    endpoint-reconciler-type etcd-cafile etcd-certfile etcd-compaction-interval etcd-count-metric-poll-period
    etcd-db-metric-poll-interval etcd-healthcheck-timeout etcd-keyfile etcd-prefix etcd-readycheck-timeout
    etcd-servers etcd-servers-overrides event-ttl external-hostname feature-gates goaway-chance
    http2-max-streams-per-connection kubelet-certificate-authority kubelet-client-certificate kubelet-client-key
    kubelet-preferred-address-types kubelet-timeout kubernetes-service-node-port lease-reuse-duration-seconds
    livez-grace-period log-flush-frequency log-json-info-buffer-size log-json-split-stream
    log-text-info-buffer-size log-text-split-stream logging-format max-connection-bytes-per-sec
    max-mutating-requests-inflight max-requests-inflight min-request-timeout oidc-ca-file oidc-client-id
    oidc-groups-claim oidc-groups-prefix oidc-issuer-url oidc-required-claim oidc-signing-algs
    oidc-username-claim oidc-username-prefix peer-advertise-ip peer-advertise-port peer-ca-file
    permit-address-sharing permit-port-sharing profiling proxy-client-cert-file proxy-client-key-file
    request-timeout requestheader-allowed-names requestheader-client-ca-file requestheader-extra-headers-prefix
    requestheader-group-headers requestheader-uid-headers requestheader-username-headers runtime-config
    runtime-config-emulation-forward-compatible secure-port service-account-extend-token-expiration
    service-account-issuer service-account-jwks-uri service-account-key-file service-account-lookup
    service-account-max-token-expiration service-account-signing-endpoint service-account-signing-key-file
    service-cluster-ip-range service-node-port-range show-hidden-metrics-for-version shutdown-delay-duration
    shutdown-send-retry-after shutdown-watch-termination-grace-period storage-backend
    storage-initialization-timeout storage-media-type strict-transport-security-directives tls-cert-file
    tls-cipher-suites tls-min-version tls-private-key-file tls-sni-cert-key token-auth-file tracing-config-file
    v vmodule watch-cache watch-cache-sizes
"""
_KUBELET = """
    address allowed-unsafe-sysctls anonymous-auth application-metrics-count-limit authentication-token-webhook
    authentication-token-webhook-cache-ttl authorization-mode authorization-webhook-cache-authorized-ttl
    authorization-webhook-cache-unauthorized-ttl boot-id-file bootstrap-kubeconfig cert-dir cgroup-driver
    cgroup-root cgroups-per-qos client-ca-file cloud-provider cluster-dns cluster-domain config config-dir
    container-hints container-log-max-files container-log-max-size container-runtime-endpoint containerd
    containerd-namespace contention-profiling cpu-cfs-quota cpu-cfs-quota-period cpu-manager-policy
    cpu-manager-policy-options cpu-manager-reconcile-period enable-controller-attach-detach
    enable-debugging-handlers enable-load-reader enable-server enforce-node-allocatable event-burst event-qps
    event-storage-age-limit event-storage-event-limit eviction-hard eviction-max-pod-grace-period
    eviction-minimum-reclaim eviction-pressure-transition-period eviction-soft eviction-soft-grace-period
    exit-on-lock-contention experimental-allocatable-ignore-eviction experimental-mounter-path fail-cgroupv1
    fail-swap-on feature-gates file-check-frequency global-housekeeping-interval hairpin-mode
    healthz-bind-address healthz-port hostname-override housekeeping-interval http-check-frequency
    image-credential-provider-bin-dir image-credential-provider-config image-gc-high-threshold
    image-gc-low-threshold image-service-endpoint kernel-memcg-notification kube-api-burst kube-api-content-type
    kube-api-qps kube-reserved kube-reserved-cgroup kubeconfig kubelet-cgroups local-storage-capacity-isolation
    lock-file log-cadvisor-usage log-flush-frequency log-json-info-buffer-size log-json-split-stream
    log-text-info-buffer-size log-text-split-stream logging-format machine-id-file make-iptables-util-chains
    manifest-url manifest-url-header max-open-files max-pods maximum-dead-containers
    maximum-dead-containers-per-container memory-manager-policy minimum-container-ttl-duration
    minimum-image-ttl-duration node-ip node-labels node-status-max-images node-status-update-frequency
    oom-score-adj pod-cidr pod-manifest-path pod-max-pids pods-per-core port protect-kernel-defaults provider-id
    qos-reserved read-only-port register-node register-with-taints registry-burst registry-qps reserved-cpus
    reserved-memory resolv-conf root-dir rotate-certificates rotate-server-certificates runonce runtime-cgroups
    runtime-request-timeout seccomp-default serialize-image-pulls storage-driver-buffer-duration
    storage-driver-db storage-driver-host storage-driver-password storage-driver-secure storage-driver-table
    storage-driver-user streaming-connection-idle-timeout sync-frequency system-cgroups system-reserved
    system-reserved-cgroup tls-cert-file tls-cipher-suites tls-min-version tls-private-key-file
    topology-manager-policy topology-manager-policy-options topology-manager-scope v vmodule volume-plugin-dir
    volume-stats-agg-period
"""
_EVERY_MINOR = MappingProxyType(
    {"kube-apiserver": frozenset(_API_SERVER.split()), "kubelet": frozenset(_KUBELET.split())}
)
# What only some minors know.
_SOME_MINORS: Mapping[Component, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "kube-apiserver": {"min-compatibility-version": ("1.35", "1.36"), "tls-curve-preferences": ("1.36",)},
        "kubelet": {"pod-infra-container-image": ("1.34",)},
    }
)
# What kubecfn sets, directly or through kubeadm and the kubelet's configuration file, and what would undo its safety.
_OURS = MappingProxyType(
    {
        "kube-apiserver": re.compile(
            r"advertise-address|allow-privileged|anonymous-auth|audit-(policy-file|log-.*)|authentication-(config|token-.*)|"
            r"authorization-.*|bind-address|cert-dir|client-ca-file|enable-admission-plugins|disable-admission-plugins|"
            r"enable-bootstrap-token-auth|encryption-provider-config.*|etcd-(cafile|certfile|keyfile|servers|prefix).*|"
            r"goaway-chance|kubelet-(certificate-authority|client-.*|preferred-address-types)|profiling|proxy-client-.*|"
            r"requestheader-.*|secure-port|service-account-(issuer|key-file|signing-.*)|service-cluster-ip-range|"
            r"shutdown-(delay-duration|send-retry-after)|storage-backend|tls-(cert-file|private-key-file|sni-cert-key)|"
            r"token-auth-file"
        ),
        "kubelet": re.compile(
            r"address|anonymous-auth|authentication-.*|authorization-.*|bootstrap-kubeconfig|cert-dir|cgroup-driver|"
            r"client-ca-file|cloud-provider|cluster-(dns|domain)|config|config-dir|container-runtime-endpoint|"
            r"enable-server|hostname-override|image-credential-.*|image-service-endpoint|kubeconfig|"
            r"manifest-url.*|node-(ip|labels)|pod-cidr|pod-manifest-path|port|protect-kernel-defaults|provider-id|"
            r"read-only-port|register-(node|with-taints)|root-dir|rotate-.*|runonce|tls-(cert-file|min-version|private-key-file)"
        ),
    }
)


def known_flags(kubernetes: str, component: Component) -> frozenset[str]:
    """Return the flags of `component` in this Kubernetes minor, without dashes before them.

    Args:
        kubernetes: a minor or a full version.
        component: the program.

    Raises:
        WrongUseError: an unknown minor.
    """
    line = release_of(kubernetes).kubernetes.line
    return _EVERY_MINOR[component] | {flag for flag, lines in _SOME_MINORS[component].items() if line in lines}


def refusals(kubernetes: str, component: Component, flags: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each of `flags` that cannot be given, why, and what to do instead.

    Args:
        kubernetes: a minor or a full version.
        component: the program.
        flags: names without dashes before them.

    Raises:
        WrongUseError: an unknown minor.
    """
    known = known_flags(kubernetes, component)
    for flag in flags:
        removed = refuse_flags(kubernetes, component, [f"--{flag}"])
        if removed:
            yield flag, f"would end the program: {removed[0].rstrip('.')}", "Remove it."
        elif _OURS[component].fullmatch(flag):
            yield (
                flag,
                f"is kubecfn's to set for {component}",
                "Remove it; what it is about has a key of its own, or no choice.",
            )
        elif flag not in known:
            close = difflib.get_close_matches(flag, known, n=1)
            remedy = f"Did you mean {close[0]}?" if close else f"See {component} --help of that release."
            yield flag, f"is no flag of {component} in Kubernetes {kubernetes}, which would not start with it", remedy
