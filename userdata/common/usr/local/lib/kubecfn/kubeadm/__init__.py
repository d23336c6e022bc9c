"""Makes this instance a node of its cluster by kubeadm, whatever its role."""
