"""Messages that are made of files."""

import json
from abc import ABC, abstractmethod
from typing import Any

from openmsi_processor.result import usual_key


class Producible(ABC):
    """Anything that can be sent to a topic."""

    @property
    @abstractmethod
    def msg_key(self) -> str | bytes | None:
        """The key; None = the usual one."""

    @property
    @abstractmethod
    def msg_value(self) -> Any:
        """The value: text, bytes, or what can be written as JSON."""

    @property
    def callback_kwargs(self) -> dict[str, Any]:
        """No effect."""
        return {}

    def get_log_msg(self, print_every: int | None = None) -> str | None:  # noqa: ARG002  # the signature is theirs
        """No effect."""
        return None


class ReproducerMessage(Producible, ABC):
    """A message made of one file."""

    def __init__(self, datafile: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__datafile = datafile

    @property
    def msg_key(self) -> str | bytes | None:
        """``<subdir with "_">_<name>_chunk_processing_result``, unless a subclass says otherwise."""
        return usual_key(self.__datafile.subdir_str or "", self.__datafile.filename)

    @property
    def callback_kwargs(self) -> dict[str, Any]:
        """What the file is called. No effect."""
        return {
            "filename": self.__datafile.filename,
            "rel_filepath": self.__datafile.relative_filepath,
            "n_total_chunks": self.__datafile.n_total_chunks,
        }


class MetadataJSONMessage(ReproducerMessage):
    """A message whose value is JSON."""

    def __init__(self, *args: Any, json_content: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.json_content = json_content

    @property
    def msg_value(self) -> str:
        """`json_content` as text. Raises ValueError when there is none."""
        if self.json_content is None:
            raise ValueError("a MetadataJSONMessage needs json_content")
        return json.dumps(self.json_content)
