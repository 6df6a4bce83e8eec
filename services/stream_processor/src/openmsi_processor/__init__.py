"""What a processor's code imports: a file that has arrived, what it may give back, and how a function is announced.

All of it needs nothing but Python itself, so user code can be tested anywhere.
"""

from openmsi_processor.data_file import DataFile
from openmsi_processor.function import processor
from openmsi_processor.result import Result, ResultFile, Retry

__all__ = ["DataFile", "Result", "ResultFile", "Retry", "processor"]
