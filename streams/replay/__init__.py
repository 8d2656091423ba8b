"""A graph beside the one that runs: built, watched, compared, swapped, dropped."""
