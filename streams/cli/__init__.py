"""The command `cartograph`: each file is one group of commands, `shell.py` what they share."""
