"""A trained model in other forms: an ONNX graph, in int8 where that loses nothing that shows."""
