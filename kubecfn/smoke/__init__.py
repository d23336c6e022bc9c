"""What a careful person looks at after a deploy, each with one answer; nothing of the cluster is changed."""
