"""Inference with a trained model: one image and one sentence in, one matte out."""
