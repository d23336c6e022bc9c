"""How a function reaches etcd: its certificate, the group's instances, the cluster's bucket."""
