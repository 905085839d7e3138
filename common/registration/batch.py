"""Many pairs: a folder each, finished ones skipped, failures listed at the end."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..data.pair_list import PAIR_KEYS, named, read_entries
from .outputs import Annotations, Request, check_annotations, output_files
from .registrar import Registrar
from .result_folder import check_writable, is_complete, read_result, replace_result

ALREADY_REGISTERED = "already registered, nothing done"


@dataclass(frozen=True)
class Job:
    """One pair to register.

    Args:
        fixed: NIfTI file.
        moving: NIfTI file.
        name: of its folder in the output folder; "" for the output folder itself.
        annotations: labels and landmarks.
    """

    fixed: str
    moving: str
    name: str = ""
    annotations: Annotations = field(default_factory=Annotations)

    @property
    def files(self) -> dict[str, str]:
        """The files of the pair that are given, by what they are."""
        named = {"fixed": self.fixed, "moving": self.moving, **asdict(self.annotations)}
        return {name: path for name, path in named.items() if path}

    def absolute(self, folder: str | os.PathLike) -> "Job":
        """The same pair with absolute paths; relative ones start from a folder."""
        paths = {name: str(Path(folder).absolute() / Path(path).expanduser()) for name, path in self.files.items()}
        fixed, moving = (paths.pop(name, "") for name in ("fixed", "moving"))
        return Job(fixed, moving, self.name, Annotations(**paths))


def read_jobs(path: str | os.PathLike) -> list[Job]:
    """Read pairs from JSON or CSV, see :func:`~common.data.pair_list.read_entries`.

    Whether their files can be read shows when it is their turn. File names are relative to the list or absolute.

    Args:
        path: file that ends in .json or .csv.

    Returns:
        The pairs with absolute paths; those without a name are pair0, pair1, …

    Raises:
        FileNotFoundError: no such list.
        ValueError: for no pairs, an unknown key, a missing file name, or a name twice.
    """
    path = Path(path).expanduser().absolute()
    return [_job(entry).absolute(path.parent) for entry in named(read_entries(path), path)]


def run_job(
    job: Job,
    registrar: Registrar,
    output_dir: str | os.PathLike,
    request: Request,
    overwrite: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Register one pair and write its files, unless they are all there, from the same content of all inputs.

    Args:
        job: the pair.
        registrar: its settings.
        output_dir: the folder of all pairs.
        request: what to write.
        overwrite: whether to register again in any case and to replace what the folder holds.
        on_progress: called with the name of each step, or with ``ALREADY_REGISTERED``.

    Returns:
        Content of its metrics.json.

    Raises:
        FileExistsError: where the folder holds results of other images or settings, or such files of another program.
        ValueError: for images that cannot be registered, or an output that would replace an input.
        OSError: where files cannot be read or written.
    """
    folder = Path(output_dir).expanduser() / job.name
    report = on_progress or (lambda step: None)
    asked = _asked(job, registrar, request)
    old = read_result(folder)
    if old is not None and not overwrite:
        _check_same(folder, old["settings"], asked)
        if is_complete(folder, old):
            report(ALREADY_REGISTERED)
            return old
    annotations = job.annotations.read(registrar.header)
    names = output_files(job.fixed, job.moving, annotations, request)
    check_writable(folder, names, job.files.values(), may_replace=overwrite or old is not None)
    registration = registrar(job.fixed, job.moving, on_progress)
    registration.settings = asked
    check_annotations(registration, annotations)
    report("writing")
    try:
        return replace_result(folder, partial(registration.save, annotations=annotations, **asdict(request)))
    except OSError as error:
        if error.filename is None and error.errno is not None:
            # A full disk does not say which.
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise


def run_jobs(
    jobs: Sequence[Job],
    run: Callable[[Job], Any],
    on_job: Callable[[Job, str], None],
) -> list[tuple[str, str]]:
    """Run all jobs, whatever happens to one of them.

    Args:
        jobs: what to run.
        run: called with each.
        on_job: called after each with "" or the reason of its failure.

    Returns:
        Name and reason of each failure.

    Example:
        >>> def run(job):
        ...     raise ValueError("no overlap")
        >>> run_jobs([Job("a", "b", "pair0")], run, lambda job, reason: None)
        [('pair0', 'no overlap')]
    """
    failures = []
    for job in jobs:
        reason = ""
        try:
            run(job)
        except Exception as error:
            expected = isinstance(error, ValueError | OSError)
            reason = str(error) if expected and str(error) else f"{type(error).__name__}: {error}"
            failures.append((job.name, reason))
        on_job(job, reason)
    return failures


def _job(entry: Mapping[str, Any]) -> Job:
    annotations = Annotations(**{key: str(entry[key]) for key in PAIR_KEYS[2:] if key in entry})
    return Job(str(entry["fixed"]), str(entry["moving"]), entry["name"], annotations)


def _asked(job: Job, registrar: Registrar, request: Request) -> dict[str, Any]:
    """All that determines a result, as JSON gives it back."""
    checksums = {f"{name}_sha256": _sha256(name, Path(path)) for name, path in job.files.items()}
    return json.loads(json.dumps({**asdict(job), **asdict(request), **registrar.settings, **checksums}))


def _sha256(name: str, path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{name}: expected the file {path}, found {'a folder' if path.is_dir() else 'nothing'}")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_same(folder: Path, settings: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    differing = [key for key in {**asked, **settings} if settings.get(key) != asked.get(key)]
    if differing:
        raise FileExistsError(
            f"{folder}: expected an empty folder or results of the same command, got others"
            f" ({', '.join(differing)} differ); --overwrite replaces them"
        )
