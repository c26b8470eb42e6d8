"""Reviews through a SageMaker transform job: what goes in, the job, what comes out."""
