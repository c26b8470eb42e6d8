"""Labels reviews with a trained model. What runs here runs behind an endpoint too: it needs NumPy,
tokenizers, and ONNX Runtime or torch with transformers, and nothing else."""
