"""A trained model for programs without Python: ONNX, and a JSON with what else they must know."""
