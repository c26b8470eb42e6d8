"""A run as a SageMaker training job: plan, request, send, follow, fetch."""
