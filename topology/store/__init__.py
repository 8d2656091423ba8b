"""Where a partition's tables live: `memory` for tests and simulation, `rocksdb` for real."""
