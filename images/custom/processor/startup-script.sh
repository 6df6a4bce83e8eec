#!/bin/bash
# What the container runs. "exec" hands signals on, so that "docker stop" ends the program in order.
set -euo pipefail
exec StreamProcessor my_analysis.py --config config.config --output_dir data \
  --topic_name "${OPENMSI_TOPIC_NAME:?is not set in openmsi.env}" \
  --producer_topic_name "${OPENMSI_PRODUCER_TOPIC_NAME:?is not set in openmsi.env}"
