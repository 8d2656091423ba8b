"""What `cartograph model evaluate` measures, in the data sets' own labels."""
