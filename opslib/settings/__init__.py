"""Host files, `.env` and `OPSLIB_*` into frozen values; whatever is wrong is said with file and line."""
