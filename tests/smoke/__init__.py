"""The smoke test of a cluster. One API server for the folder."""
