"""What concerns a host as a machine: its key, how it is, what is run on it, the file that describes it."""
