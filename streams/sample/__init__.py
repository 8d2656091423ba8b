"""A made-up shop with planted knowledge: what the demo plays and the scorer marks."""
