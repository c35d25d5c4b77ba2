"""The open way to a machine, local or over SSH. The only code that does I/O on machines."""
