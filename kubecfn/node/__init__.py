"""What a node is told before it can read its bundle, and what it lays on its disk."""
