"""The process that user code runs in. Needs nothing but Python itself: user code may bring any version of anything."""
