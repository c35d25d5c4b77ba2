"""A stack of Docker Swarm in place of containers of Docker Compose."""
