"""Backup: finding what is worth keeping, sets of artifacts with a manifest, verification, pruning."""
