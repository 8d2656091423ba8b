"""`graph.control`: who owns which partition, which graphs there are, and which one answers."""
