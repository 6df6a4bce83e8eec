#!/bin/bash
# Lists, makes and describes topics; same name and options as in Kafka itself.
exec java -Xmx256m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.TopicCommand "$@"
