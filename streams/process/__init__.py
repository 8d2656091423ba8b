"""What a process is to its machine: files, locks, logs, status, probes."""
