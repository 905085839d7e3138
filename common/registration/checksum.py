"""What tells whether an input still has the content that a result was made from."""

import hashlib
from pathlib import Path

from ..data.itk_images import DICOM_SUFFIXES

HEADER_SUFFIXES = (".hdr", ".img", ".mhd", ".nhdr")  # beside a file of the same stem that has the other half


def content_sha256(path: str | Path) -> str:
    """SHA-256 of all that is read with a file: of a DICOM series all its slices, of a header also its voxels.

    Args:
        path: a file, or a folder that holds a series.

    Raises:
        FileNotFoundError: no such file.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.nii"
        >>> _ = file.write_bytes(b"")
        >>> content_sha256(file)[:8]
        'e3b0c442'
    """
    path, digest = Path(path), hashlib.sha256()
    for file in _files(path):
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """The files that are read with one of them, in a fixed order."""
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in DICOM_SUFFIXES:
        folder = path if path.is_dir() else path.parent
        return sorted(file for file in folder.iterdir() if file.is_file())
    if suffix in HEADER_SUFFIXES:
        return sorted(
            file for file in path.parent.iterdir() if file.is_file() and file.name.startswith(path.stem + ".")
        )
    return [path]
