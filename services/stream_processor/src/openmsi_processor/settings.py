"""Options of `StreamProcessor`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg

from openmsi_core.receiver_settings import ReceiverSettings
from openmsi_core.settings_types import Seconds, Threads, TopicName


class ProcessorSettings(ReceiverSettings):
    """Call a Python function with every file of a Kafka topic, and send what it returns to another topic."""

    program: ClassVar = "StreamProcessor"
    place: ClassVar = "processor_file"
    clients: ClassVar = ("consumer", "producer")

    processor_file: CliPositionalArg[Path] = Field(description="the Python file with the function")
    producer_topic_name: TopicName | None = Field(None, description="the topic for results (default: none are sent)")
    output_dir: Path | None = Field(
        None,
        description="folder for result files, for what is not complete yet and for quarantine"
        " (default: PROCESSOR_FILE's name with _output, in the current folder)",
    )
    mode: Literal["memory", "disk", "both"] = Field(
        "memory", description="disk and both also keep the files of the topic in output_dir"
    )
    n_threads: Threads = Field(2, description="processes that run the function, each for one file at a time")
    processing_timeout: Seconds = Field(
        600, description="seconds after which the function is ended: the file is tried again, then put aside"
    )
    memory_limit: Annotated[int, Field(ge=64)] | None = Field(
        None, description="MB of memory that each of these processes may take (default: no limit; Linux only)"
    )
    n_consumer_threads: Threads | None = Field(None, description="as n_threads, where that is not given")
    n_producer_threads: Threads | None = Field(None, description="no effect: one producer sends all results")

    @property
    def writes(self) -> tuple[str, ...]:
        """As `ProgramSettings` says."""
        return (self.producer_topic_name,) if self.producer_topic_name else ()

    @property
    def workers(self) -> int:
        """How many processes run user code."""
        if "n_threads" not in self.model_fields_set and self.n_consumer_threads:
            return self.n_consumer_threads
        return self.n_threads

    @property
    def output(self) -> Path:
        """The output folder."""
        return self.output_dir or Path.cwd() / f"{self.processor_file.stem}_output"
