"""One module per engine: recognise it, log in, ask it, count it, dump it."""
