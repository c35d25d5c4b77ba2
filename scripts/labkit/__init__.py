"""The lab: a real Docker engine, images and SSH servers for the demo and the tests. `scripts/lab` is its command."""
