"""How the words here print: names and texts come from whoever writes to a topic, so no character moves the cursor."""

from openmsi_core.printable import printable


def say(text: str, indent: str = "") -> None:
    """Print each line of ``text``."""
    for line in text.split("\n"):
        print(indent + printable(line), flush=True)
