"""`python -m kubecfn.cli` is the kubecfn command."""

from kubecfn.cli import main

main()
