"""A trained model asked by people: one image and one sentence in, one matte out."""
