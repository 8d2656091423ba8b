"""The embedded broker: a real single-node Apache Kafka (KRaft) on loopback, for demo and tests.

`process` starts and stops it, `resolve` brings its jars, `properties` writes its settings, `probe`
asks whether it answers, `admin` creates and checks topics on any Kafka.
"""
