"""One module per engine: recognise it, log in, ask it, count it, dump it."""


def program(name: str) -> str:
    """The text of a Python program of this folder, which needs nothing but the standard library."""
    from importlib import resources

    return resources.files("opslib.engines").joinpath(f"{name}.py").read_text(encoding="utf-8")
