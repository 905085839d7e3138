"""Files that need MONAI Label are left aside where it is not installed."""

from importlib.util import find_spec
from pathlib import Path

FILES = Path(__file__).parent.rglob("*.py")
collect_ignore = (
    []
    if find_spec("monailabel")
    else [str(path) for path in FILES if "from monailabel" in path.read_text(encoding="utf-8")]
)
