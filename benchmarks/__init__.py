"""What kubecfn costs, as ratios of one run: never as seconds against somebody else's machine."""
