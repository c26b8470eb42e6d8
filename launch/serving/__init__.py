"""A server of the inference contract on this machine."""
