"""Fine-tune DistilBERT on movie reviews, on your own machine or on Amazon SageMaker."""

__version__ = "0.1.0"
