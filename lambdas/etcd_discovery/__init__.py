"""The function that keeps the cluster's zone equal to the controllers that exist."""
