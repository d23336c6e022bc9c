"""The machine image that nodes boot from: what is baked in, whose sums vouch for it, and the stack that bakes it."""
