"""Many pairs: a folder each, finished ones skipped, failures listed at the end."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..data.pair_list import MASK_KEYS, PAIR_KEYS, named, read_entries
from ..data.volume import input_image
from ..memory import is_out_of_memory, memory_sentence
from .checksum import content_sha256
from .fitting import fitted
from .outputs import Annotations, Request, check_request, output_files
from .progress import Progress
from .registrar import Registrar
from .result import Registration
from .result_folder import check_writable, is_complete, read_result, replace_result
from .told import told

ALREADY_REGISTERED = "already registered, nothing done"


@dataclass(frozen=True)
class Job:
    """One pair to register.

    Args:
        fixed: NIfTI file.
        moving: NIfTI file.
        name: of its folder in the output folder; "" for the output folder itself.
        annotations: masks, labels and landmarks.
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
    return [_job(entry).absolute(path.parent) for entry in named(read_entries(path, MASK_KEYS), path)]


def run_job(
    job: Job,
    registrar: Registrar,
    output_dir: str | os.PathLike,
    request: Request,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Register one pair and write its files, unless they are all there, from the same content of all inputs.

    Args:
        job: the pair.
        registrar: its settings.
        output_dir: the folder of all pairs.
        request: what to write.
        overwrite: whether to register again in any case and to replace what the folder holds.
        progress: is told of each step and iteration, or of ``ALREADY_REGISTERED``; None for silence.

    Returns:
        Content of its metrics.json.

    Raises:
        FileExistsError: where the folder holds results of other images or settings, or such files of another program.
        ValueError: for images that cannot be registered, or an output that would replace an input.
        OSError: where files cannot be read or written.
    """
    folder = Path(output_dir).expanduser() / job.name
    progress = progress or Progress()
    asked = _asked(job, registrar, request)
    old = read_result(folder)
    if old is not None and not overwrite:
        _check_same(folder, old["settings"], asked)
        if is_complete(folder, old):
            progress.begin(ALREADY_REGISTERED)
            return old
    with told() as sentences:
        annotations = job.annotations.read(registrar.header)
        names = output_files(job.fixed, job.moving, annotations, request)
        inputs = [*job.files.values(), *registrar.init.files]
        check_writable(folder, names, inputs, may_replace=overwrite or old is not None)
        fixed, moving = (input_image(path, registrar.header, registrar.frame) for path in (job.fixed, job.moving))
        check_request(request, fixed, moving)
        annotations = fitted(annotations, fixed, moving)
        registration = registrar(fixed, moving, progress, annotations)
        registration.settings, registration.warnings = asked, sentences
        progress.begin("writing")
        return _written(registration, folder, annotations, request)


def _written(
    registration: Registration, folder: Path, annotations: Mapping[str, Any], request: Request
) -> dict[str, Any]:
    """Content of metrics.json, when all files are in the folder."""
    try:
        return replace_result(folder, partial(registration.save, annotations=annotations, **asdict(request)))
    except OSError as error:
        if error.filename is None and error.errno is not None:
            # A full disk does not say which.
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise


def run_jobs(jobs: Sequence[Job], run: Callable[[Job], Any]) -> list[tuple[str, str]]:
    """Run all jobs, whatever happens to one of them.

    Args:
        jobs: what to run.
        run: called with each.

    Returns:
        Name and reason of each failure.

    Example:
        >>> def run(job):
        ...     raise ValueError("no overlap")
        >>> run_jobs([Job("a", "b", "pair0")], run)
        [('pair0', 'no overlap')]
    """
    failures = []
    for job in jobs:
        try:
            run(job)
        except Exception as error:
            failures.append((job.name, _reason(error)))
    return failures


def _reason(error: Exception) -> str:
    """Why a pair failed, on one line."""
    if is_out_of_memory(error):
        return memory_sentence(error)
    is_expected = isinstance(error, ValueError | OSError)
    return str(error) if is_expected and str(error) else f"{type(error).__name__}: {error}"


def _job(entry: Mapping[str, Any]) -> Job:
    annotations = Annotations(**{key: str(entry[key]) for key in (*PAIR_KEYS[2:], *MASK_KEYS) if key in entry})
    return Job(str(entry["fixed"]), str(entry["moving"]), entry["name"], annotations)


def _asked(job: Job, registrar: Registrar, request: Request) -> dict[str, Any]:
    """All that determines a result, as JSON gives it back."""
    checksums = {f"{name}_sha256": _sha256(name, Path(path)) for name, path in job.files.items()}
    return json.loads(json.dumps({**asdict(job), **asdict(request), **registrar.settings, **checksums}))


def _sha256(name: str, path: Path) -> str:
    if not (path.is_file() or (path.is_dir() and name in ("fixed", "moving"))):
        raise FileNotFoundError(f"{name}: expected the file {path}, found {'a folder' if path.is_dir() else 'nothing'}")
    return content_sha256(path)


def _check_same(folder: Path, settings: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    differing = [key for key in {**asked, **settings} if settings.get(key) != asked.get(key)]
    if differing:
        raise FileExistsError(
            f"{folder}: expected an empty folder or results of the same command, got others"
            f" ({', '.join(differing)} differ); --overwrite replaces them"
        )
