"""What nodes, functions and the command line share about etcd: plain standard library, Python 3.9 and later."""
