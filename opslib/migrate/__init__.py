"""Bringing a database's schema forward with the project's own command, in the image of a release."""
