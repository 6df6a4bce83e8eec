"""What every OpenMSI streaming service shares. Imports no service."""

__version__ = "0.1.0"
