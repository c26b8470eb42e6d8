"""What lies on disk and how it is read: run directories, sweeps and their trials."""
