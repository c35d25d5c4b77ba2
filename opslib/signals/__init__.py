"""Who is told how a task ended: addresses that are pinged, people who are notified, files that Prometheus reads."""
