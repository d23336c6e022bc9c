"""A controller's answer to kubelets that ask for certificates."""
