"""What an operator does for a cluster's etcd from outside: look, back up, verify, restore, defragment."""
