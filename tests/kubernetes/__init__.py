"""The client of the API server, and what is built on it. One API server for the folder."""
