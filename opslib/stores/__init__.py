"""Places off the host that keep files: a folder of this machine, a machine with SFTP, a bucket."""
