"""`tracker.json`: what documents one deployment, and what is wrong with such a file."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from openmsi_core.env_file import read_text
from openmsi_core.errors import BadInput
from openmsi_core.programs import nearest

FOUND_OUT = "found_out"
"""The key of what `openmsi tracker fill` has found out; everything else belongs to people."""

_PLAIN_BACKSLASH = re.compile(r'(\\[\\"/])|\\')
_BACKSLASHES = "its backslashes are taken as they stand, although JSON wants each of them twice (\\\\)"


def _line(text: str) -> str:
    if any(ord(each) < 32 for each in text):
        raise ValueError("holds a tab or a line break: JSON wants each backslash of a Windows path twice (\\\\)")
    return text


def _address(text: str) -> str:
    if text and not re.search(r"\S@\S", text):
        raise ValueError("is no e-mail address")
    return text


Line = Annotated[str, AfterValidator(_line)]
Metadata = str | dict[str, Any]


class Tracker(BaseModel):
    """One deployment of OpenMSI streaming services on one machine. An empty text: nobody has filled it in yet."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, hide_input_in_errors=True)

    type: Line = Field(min_length=1, description="what runs and how, such as `docker compose`, `Producer`, `daemon`")
    service_name: Line = Field(min_length=1, description="the name of the service, or of several separated by `and`")
    service_local_location: Line = Field(description="the folder on this machine that it was installed from")
    service_local_target_folder: Line = Field(description="the folder that it watches or fills")
    installation_notes: str = Field(description="how it was installed, how to see whether it runs, how to restart it")
    primary_contact_name: Line = Field(description="who to ask")
    primary_contact_email: Annotated[Line, AfterValidator(_address)] = Field(description="that person's e-mail address")
    machine_metadata: Metadata = Field(description="what people know of the machine: a text, or names and values")
    code_metadata: Metadata = Field(description="what people know of the code: a text, or names and values")
    found_out: dict[str, Any] = Field(
        default_factory=dict, description="what `openmsi tracker fill` has found out; it writes this anew each time"
    )


@dataclass(frozen=True, slots=True)
class Document:
    """A file that holds a JSON object."""

    data: Mapping[str, Any]
    remarks: tuple[str, ...]


def read_tracker(path: Path) -> Document:
    """What ``path`` says. Raises ConfigError when it cannot be read, BadInput when it is no JSON object."""
    text = read_text(path, "the file", "copy the tracker.json of the project there").removeprefix("\ufeff")
    remarks: tuple[str, ...] = ()
    try:
        try:
            data = _parse(text)
        except json.JSONDecodeError as error:
            if "escape" not in error.msg:
                raise
            # Written by hand on Windows, as most old ones: C:\Users is no JSON, but there is no doubt what is meant.
            data = _parse(_PLAIN_BACKSLASH.sub(lambda found: found[1] or r"\\", text))
            remarks = (_BACKSLASHES,)
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}, line {error.lineno}, column {error.colno}: this is no JSON ({error.msg})") from None
    except RecursionError:
        raise BadInput(f"{path}: this is nested too deeply") from None
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: this is no JSON object {{…}}; several services have a file each")
    return Document(data, remarks)


def mistakes(data: Mapping[str, Any]) -> list[str]:
    """A line for each mistake, which begins with its place."""
    try:
        Tracker.model_validate(data)
    except ValidationError as error:
        places: dict[str, str] = {}
        for each in error.errors(include_url=False, include_context=False):
            place = str(each["loc"][0])
            places.setdefault(place, f"{place}: {_in_words(each['type'], each['msg'], place, data)}")
        return list(places.values())
    return []


def empty(data: Mapping[str, Any]) -> list[str]:
    """The fields that nobody has filled in yet."""
    return [name for name in Tracker.model_fields if name != FOUND_OUT and data.get(name) in ("", {})]


def _in_words(kind: str, message: str, place: str, data: Mapping[str, Any]) -> str:
    match kind:
        case "missing":
            near = nearest(place, data.keys() - Tracker.model_fields.keys())
            return f"is missing (is it {near!r} that was meant?)" if near else "is missing"
        case "string_too_short":
            return "is empty: fill it in"
        case "string_type" if place.endswith("_metadata"):
            return "must be a text in quotes, or an object {…}"
        case "string_type":
            return "must be a text in quotes"
        case "dict_type":
            return "must be an object {…}"
        case _:
            return message.removeprefix("Value error, ")


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is there twice: keep one of the two")
        found[name] = value
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON: put it into quotes")
