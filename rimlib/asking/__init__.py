"""Asking a trained model: NumPy around the torch model, one picture and any number of sentences."""
