"""Training and measuring: samples, augmentation, the training loops, metrics and run records. Paper: Sec. 5, S4."""
