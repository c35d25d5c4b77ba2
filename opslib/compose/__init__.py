"""Docker Compose: what the files want (Project), what runs (Stack), health, ordered stop and start."""
