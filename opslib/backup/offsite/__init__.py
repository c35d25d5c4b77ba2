"""Copies of the sets off the host: sent to stores, brought back, listed, verified and removed there.

A set in a store is FOLDER/ID/ with the same files as on the host, FOLDER being the host's own in that store.
"""
