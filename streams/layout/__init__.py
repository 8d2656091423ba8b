"""Stores of an older layout, brought up to date."""
