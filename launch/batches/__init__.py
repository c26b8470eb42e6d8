"""A file of reviews through a SageMaker transform job: options, plan, requests, job, results."""
