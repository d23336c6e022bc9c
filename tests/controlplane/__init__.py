"""The control plane of a controller: kubeadm, configuration, certificates. One API server for the folder."""
