"""CloudFormation of the embedded AWS: it reads only templates and makes resources through the services' ordinary API."""

from kubecfn.local.cloudformation.api import service

__all__ = ["service"]
