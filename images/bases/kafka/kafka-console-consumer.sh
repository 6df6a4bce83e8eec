#!/bin/bash
# Prints the messages of a topic; same name and options as in Kafka itself.
exec java -Xmx256m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.consumer.ConsoleConsumer "$@"
