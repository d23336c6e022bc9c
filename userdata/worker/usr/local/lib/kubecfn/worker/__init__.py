"""A worker: it joins its cluster and stays."""
