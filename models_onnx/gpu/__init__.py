"""Models for GPUs: how they are made of the shipped ones, and what a machine with one is asked."""
