"""What `deploy/` says must be what the code does: settings, commands, ports, paths, topics."""
