"""What training and export of all models share. Needs the extra `train`."""

IGNORED = -100
"""Label of a token that no loss is taken from."""
