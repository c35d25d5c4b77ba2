"""What a file or folder that somebody names for a restore is: found by looking into it, never by its name."""
