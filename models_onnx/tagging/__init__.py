"""Texts to labelled spans."""
