"""Terminating lifecycle hooks, as both lifecycle functions meet them."""
