"""Kafka topic to S3 bucket."""
