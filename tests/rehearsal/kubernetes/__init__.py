"""Kubernetes in the rehearsal: what its nodes boot from, what runs in their pods, and what is done to the cluster."""
