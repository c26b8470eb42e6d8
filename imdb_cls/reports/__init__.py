"""Pages and tables that people read: what runs and sweeps came to."""
