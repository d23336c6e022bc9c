"""Instances as containers with a real systemd, which run the emitted user data and the units of the emitted bundles."""
