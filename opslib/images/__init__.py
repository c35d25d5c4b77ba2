"""Images: what a target has, building them, shipping them, and the tools image."""
