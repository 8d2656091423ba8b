"""What a process tells Prometheus and the probes."""
