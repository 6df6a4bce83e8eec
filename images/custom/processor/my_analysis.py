"""A starting point: put your own code into the function."""

from openmsi_processor import DataFile, processor


@processor(files=r".*\.csv$")
def process(file: DataFile) -> dict[str, object]:
    """What it returns is sent to the result topic as JSON; see docs/processors.md."""
    return {"file": file.relative_path, "lines": file.bytes.count(b"\n")}
