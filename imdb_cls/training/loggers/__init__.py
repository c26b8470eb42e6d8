"""Where the metrics of a run are logged: files, stdout, wandb, TensorBoard and CloudWatch."""
