"""Readers of the data sets that models are measured on, each in the set's own labels."""
