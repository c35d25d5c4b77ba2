"""Drills: a set is restored into a scratch place, counted, and taken away again."""
