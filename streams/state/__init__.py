"""What the states of several stages have in common."""
