"""Whether the stores of the stages hold together: clear, slow versions of what stages keep."""
