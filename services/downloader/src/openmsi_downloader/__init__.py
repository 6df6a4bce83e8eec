"""Kafka topic to folder."""
