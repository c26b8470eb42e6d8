"""A run's model as a SageMaker endpoint: plan, deploy, invoke, list, delete."""
