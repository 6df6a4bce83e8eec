#!/bin/bash
# What the container runs. "exec" hands signals on, so that "docker stop" ends the program in order.
set -euo pipefail
exec DataFileDownloadDirectory data --config config.config --topic_name "${OPENMSI_TOPIC_NAME:?is not set in openmsi.env}"
