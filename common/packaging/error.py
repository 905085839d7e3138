"""The one error of packaging."""


class PackageError(ValueError):
    """A bundle cannot be packaged; the message names the file and what is wrong with it. Nothing was written."""
