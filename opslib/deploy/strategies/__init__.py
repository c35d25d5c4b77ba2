"""How the new release's containers take the place of the old ones."""
