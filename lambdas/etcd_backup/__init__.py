"""The function that watches the backups which the leader's agent makes, and answers a person's questions about etcd."""
