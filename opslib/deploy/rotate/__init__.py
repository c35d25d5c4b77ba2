"""A secret renewed: in the database whose password it is, in the env file, and in what runs."""
