"""What our models have beside the paper's: each is off in `paper-*`, and switched on by a setting of its name."""
