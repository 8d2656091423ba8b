"""How stages tell each other totals: keys and payloads, bytes, outbox, inbox, and their owner."""
