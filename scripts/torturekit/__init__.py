"""The torture of backups and restores. `cli` is the beginning; each family of faults is a module with a `run`."""
