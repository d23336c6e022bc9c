"""The function that decides when a worker may leave."""
