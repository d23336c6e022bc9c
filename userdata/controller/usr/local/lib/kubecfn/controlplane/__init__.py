"""Kubernetes' control plane on this controller: made once, then kept as it should be."""
