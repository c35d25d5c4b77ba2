"""The demo: opslib's main job on a real stack, from nothing to data that are proven to be back."""
