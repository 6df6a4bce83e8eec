"""Text of others on a terminal: names come from whoever writes to a topic, and no character may move the cursor."""


def printable(text: str) -> str:
    """``text`` in one line, with control characters shown and not obeyed."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
