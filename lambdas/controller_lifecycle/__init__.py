"""The function that decides when a controller may leave."""
