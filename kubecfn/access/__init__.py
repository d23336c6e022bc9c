"""Who may do what in the Kubernetes API by which IAM role: the rights, and the kubeconfig that asks for them."""

from kubecfn.access.rights import access_objects

__all__ = ["access_objects"]
