"""The fast model for CPUs: the trained one as an ONNX graph, in int8 if that keeps its labels."""
