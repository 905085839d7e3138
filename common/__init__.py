"""Registration of medical images: the parts that all bundles share, and ``register`` for any pair.

``common.register``, ``common.Registration`` and ``common.__version__`` are loaded when they are asked for.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

PLACES = {"register": "registration.registrar", "Registration": "registration.result"}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("registration-bundles")
    if name in PLACES:
        return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
