"""Watching a cluster while things happen to it: a client that never stops writing, what it saw, and pictures of that."""
