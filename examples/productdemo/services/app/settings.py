"""Secrets from the environment, or from the files that Docker's secrets are."""

import os
from pathlib import Path


def secret(name: str) -> str:
    """The variable, or what is in the file that NAME_FILE names. KeyError where neither is set."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text().rstrip("\n")
    return os.environ[name]
