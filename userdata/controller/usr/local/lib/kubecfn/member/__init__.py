"""A controller's etcd member: how it starts, what is done to it, and its backups."""
