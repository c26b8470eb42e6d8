"""The rehearsal of jobs and endpoints: AWS and its machines on this machine, without an account.

moto answers for S3, IAM, CloudWatch, Secrets Manager and autoscaling, but its SageMaker computes
nothing. This room adds a SageMaker that does: training jobs run in containers made of Linux
namespaces, with the files, the log, the metrics and the checkpoints that SageMaker promises them;
endpoints and transform jobs answer with a real server of the uploaded model.
"""
