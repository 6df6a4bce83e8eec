"""docs/processor-api.md says what the docstrings say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_api_page_is_up_to_date() -> None:
    griffe2md = Path(sys.executable).with_name("griffe2md")
    written = subprocess.run(
        [griffe2md, "openmsi_processor"], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    kept = (ROOT / "docs" / "processor-api.md").read_text(encoding="utf-8")
    assert kept.strip() == written.strip(), "run: make api"
