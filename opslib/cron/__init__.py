"""Backups by the clock: this machine's crontab runs `backup.all` for a host."""
