"""Env files: made from their examples, checked, compared, sent, and their secrets renewed."""
