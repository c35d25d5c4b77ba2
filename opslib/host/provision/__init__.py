"""A bare server made ready: one look at all of it, what differs from what the host file wants, and only that changed.

`look.bash` is the look, `parts` decides (pure), `work` makes it a run of steps.
"""
