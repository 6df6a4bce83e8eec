"""How the words here print: names and texts come from whoever writes to a topic, so no character moves the cursor."""


def say(text: str, indent: str = "") -> None:
    """Print each line of ``text``."""
    for line in text.split("\n"):
        print(indent + "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line), flush=True)
