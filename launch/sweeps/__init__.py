"""The trials of a sweep as SageMaker jobs."""
