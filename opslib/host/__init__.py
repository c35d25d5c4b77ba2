"""What concerns a host as a machine: whether its key is known."""
