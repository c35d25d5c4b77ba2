"""The `.opslib` folder on a target: plain files that a person can read."""
