"""What is asked of a Kubernetes API server, in plain standard-library Python: nodes, functions and the command line share it."""
