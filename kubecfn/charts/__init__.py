"""What an operator lays into a cluster, as plain objects made on the operator's machine before anything is sent."""

from kubecfn.charts.extra import extra_objects
from kubecfn.charts.helm import Helm

__all__ = ["Helm", "extra_objects"]
