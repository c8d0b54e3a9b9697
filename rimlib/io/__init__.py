"""Files, images, weights and the hub: what comes from a disk or a network, and what goes there."""
