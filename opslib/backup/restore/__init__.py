"""Restore: loaded and proven beside the live data first, then swapped in by renames that can be undone."""
