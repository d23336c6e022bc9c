"""What a user may ask for, and the outside resources that were found for it."""

from kubecfn.config.found import Found, Subnet, found_from, still_to_find
from kubecfn.config.load import load, load_text, schema, show
from kubecfn.config.models import Config, Pool, Volume

__all__ = [
    "Config",
    "Found",
    "Pool",
    "Subnet",
    "Volume",
    "found_from",
    "load",
    "load_text",
    "schema",
    "show",
    "still_to_find",
]
