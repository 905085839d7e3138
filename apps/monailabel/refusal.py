"""What the app does not do, and why, in the words of HTTP."""

import re

NAME = re.compile(r"\w[\w.-]{0,199}", re.ASCII)  # with .nii.gz still a file name


class RefusalError(Exception):
    """A request that is not answered.

    Args:
        status: 404 for what is not there, 422 for what cannot be, 503 for what cannot be now.
        reason: one line, without any path of the server.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def checked_name(role: str, name: object) -> str:
    """The name of an image or a tag, which becomes part of a path.

    Args:
        role: what the name is to the client.
        name: what was sent.

    Raises:
        RefusalError: 422 for anything that is no plain name.

    Example:
        >>> checked_name("image", "hippocampus_001")
        'hippocampus_001'
        >>> checked_name("tag", "../final")
        Traceback (most recent call last):
        apps.monailabel.refusal.RefusalError: tag: expected 1 to 200 letters, digits, _, . and -, got '../final'
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        shown = "nothing" if name in (None, "") else repr(name)[:80]
        raise RefusalError(422, f"{role}: expected 1 to 200 letters, digits, _, . and -, got {shown}")
    return name
