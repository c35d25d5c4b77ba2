"""Certificates by ACME: got, renewed, watched as they are served, revoked."""
