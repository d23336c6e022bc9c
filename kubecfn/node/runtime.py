"""containerd's configuration, as its major versions read it."""

from __future__ import annotations

from kubecfn.node.facts import Cluster

# containerd: "CRI Plugin Config Guide": version 3 of the file is 2.x's own, version 2 is 1.x's.
_V3 = """\
version = 3

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{pause}'

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '/etc/containerd/certs.d'

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/opt/cni/bin']
  conf_dir = '/etc/cni/net.d'

[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'runc'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = true
"""
_V2 = """\
version = 2

[plugins.'io.containerd.grpc.v1.cri']
  sandbox_image = '{pause}'

[plugins.'io.containerd.grpc.v1.cri'.registry]
  config_path = '/etc/containerd/certs.d'

[plugins.'io.containerd.grpc.v1.cri'.cni]
  bin_dir = '/opt/cni/bin'
  conf_dir = '/etc/cni/net.d'

[plugins.'io.containerd.grpc.v1.cri'.containerd]
  default_runtime_name = 'runc'

[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]
  SystemdCgroup = true
"""
_OWN_FORMAT_FROM = 2


def containerd_configuration(cluster: Cluster) -> str:
    """Return ``/etc/containerd/config.toml``; the pause image is the one that kubeadm of this minor lists."""
    release = cluster.release
    text = _V3 if release.containerd.major >= _OWN_FORMAT_FROM else _V2
    return text.format(pause=f"{cluster.repository}/pause:{release.pause}")
