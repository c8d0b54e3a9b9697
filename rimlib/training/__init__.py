"""Training: samples, augmentation, the loop and what is trained by it. Paper: Sec. 5.1, S4.1."""
