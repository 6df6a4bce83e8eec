"""Folder to Kafka topic."""
