"""Topics on a real Kafka: spans of records in, batches out, leases, partitions that use them."""
