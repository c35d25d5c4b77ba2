"""opslib itself on a server: an environment of its own, and the schedule in the server's own crontab or timers."""
