"""AWS: clients, S3, instances and images; what a request may hold; waiting for something."""
