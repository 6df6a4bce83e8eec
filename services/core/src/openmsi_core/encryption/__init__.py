"""Encryption from end to end, as KafkaCrypto does it; only `keys` and `certificates` know that library."""

import logging

# It logs tracebacks for what others send, and at its lowest level secrets. What matters, we say.
logging.getLogger("kafkacrypto").setLevel(logging.CRITICAL)
