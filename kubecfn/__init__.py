"""kubecfn: a Kubernetes control plane on EC2 as one plain CloudFormation template.

This file imports nothing: it also travels in the Lambda zips, beside `kubecfn.etcd`.
"""

__version__ = "0.1.0"
