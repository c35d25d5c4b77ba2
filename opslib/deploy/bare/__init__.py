"""Bringing a project to a machine that has nothing but Docker: its files, its containers, and the data of a set."""
