"""Register any pair of images, or a list of them.

registration register --fixed F.nii.gz --moving M.nii.gz --output_dir OUT
registration register --fixed F.nii.gz --moving M.nii.gz --output_dir OUT --effort best --strict
registration register --pairs pairs.csv --output_dir OUT --bundle wasserstein_voxelmorph
torchrun --nproc_per_node 2 scripts/register.py --pairs pairs.csv --output_dir OUT --affine
"""

import inspect
import json
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch

from ..registration.batch import ALREADY_REGISTERED, Job, Request, read_jobs, run_job, run_jobs
from ..registration.display import ProgressDisplay
from ..registration.outputs import Annotations
from ..registration.progress import Progress, Status
from ..registration.registrar import Registrar
from ..registration.report.index import check_index, write_index
from ..registration.verdict import Verdict, summary
from .processes import Processes
from .steps import check_number, has_step, registrar_of

NO_STEP = (
    "warning: expected a step, such as --affine, --bundle NAME, --search 2 or --refine 50, got --effort none:"
    " warped.nii.gz will be the moving image on the fixed one's grid, where the headers lay it"
)
SHOWN_SCORES = {"overlap": "dice", "landmarks": "mean_mm"}
FAILED_EXIT = 3  # of --strict


def register(
    fixed: str = "",
    moving: str = "",
    output_dir: str = "",
    pairs: str = "",
    shard: str = "",
    bundle: str = "none",
    effort: str = "",
    init: str = "world",
    affine: bool | str = False,
    search: int = 0,
    search_levels: int = 1,
    refine: int = 0,
    solver: str = "",
    similarity: str = "auto",
    regularization: str = "diffusion",
    weight: float = 0.5,
    learning_rate: float = 0.2,
    control_spacing: int = 4,
    velocity: bool = True,
    num_levels: int = 3,
    spacing_mm: float = 0.0,
    fixed_label: str = "",
    moving_label: str = "",
    fixed_points: str = "",
    moving_points: str = "",
    fixed_mask: str = "",
    moving_mask: str = "",
    label_weight: float = 0.0,
    point_weight: float = 0.0,
    inverse: bool = False,
    learn2reg: bool = False,
    report: bool = True,
    format: str = "nii.gz",
    frame: int | None = None,
    header: str = "",
    device: str = "",
    ckpt_path: str = "",
    bundle_options: dict | None = None,
    num_threads: int = 0,
    overwrite: bool = False,
    strict: bool = False,
) -> None:
    """Bring the moving image onto the fixed one; docs/register.md tells more.

    Examples:
      python scripts/register.py --fixed F.nii.gz --moving M.nii.gz --output_dir OUT

      python scripts/register.py --fixed F.nii.gz --moving M.nii.gz --output_dir OUT --effort best

      python scripts/register.py --fixed F.nii.gz --moving M.nii.gz --output_dir OUT --bundle mcd_pemd --refine 50

      python scripts/register.py --pairs pairs.csv --output_dir OUT

    Args:
        fixed: NIfTI file that stays in place.
        moving: NIfTI file that is brought onto it.
        output_dir: folder of the results; with --pairs each pair gets a folder in it.
        pairs: JSON or CSV list of fixed, moving and perhaps name, labels, points, masks; in place of --fixed, --moving.
        shard: part of the pairs for this process, such as 2/10 for the second of ten, for jobs that do not know each
            other. The same command without it writes the index of all, at the end.
        bundle: name or folder of a bundle; any_contrast gives features that search and refinement compare, the others
            predict the field; none for affine, search or refinement alone.
        effort: fast, normal or best: an affine map and a refinement; none for the other steps alone; normal where no
            step is asked for, or --bundle any_contrast alone.
        init: world trusts the headers; center and moments lay centers or centers of mass on each other; or files of
            transforms that are known, separated by commas (.tfm, .mat, .txt, .nii.gz; inverse:FILE for an inverse).
        affine: also optimize an affine map by mutual information first; rigid for a rigid one.
        search: passes of a discrete search by MIND-SSC, after the bundle or alone; 0 for none.
        search_levels: resolutions of the search; each doubles its reach, 4 voxels per pass on the finest one.
        refine: iterations of the refinement on each level, last of all; 0 for none.
        solver: of the refinement: greedy, for lncc, mind and mse, or adam; empty for greedy where that is possible.
        similarity: of the refinement: auto looks whether the images show one contrast and takes lncc or mind; or one of
            lncc, mind, mse, mi, swd, pswd, radon, coord_swd.
        regularization: of adam: diffusion or bending.
        weight: of adam's regularization.
        learning_rate: of adam, voxels of its level.
        control_spacing: distance of adam's control points, voxels of its level.
        velocity: whether adam finds a stationary velocity, whose map hardly folds.
        num_levels: resolutions of the refinement, each twice as fine as the one before.
        spacing_mm: finest voxel size of search and refinement; 0 for the image's, up to three million voxels.
        fixed_label: label map of the fixed image, for Dice.
        moving_label: label map of the moving image; is warped.
        fixed_points: landmarks (.csv, .fcsv, .mrk.json); are moved into the moving image.
        moving_points: landmarks of the moving image; are moved into the fixed image; both give the landmark error.
        fixed_mask: NIfTI file; where it is 0, such as in a lesion, the fixed image is not compared.
        moving_mask: the same of the moving image.
        label_weight: of both label maps in a greedy refinement, such as 1; 0 leaves them to the scores.
        point_weight: of both landmark files in a greedy refinement, such as 1; 0 leaves them to the scores.
        inverse: also write inverse_field.nii.gz on the moving image's grid.
        learn2reg: also write the field as the Learn2Reg challenge takes it.
        format: of warped images and label maps: nii.gz, nrrd or mha.
        frame: volume to take, from 0, of a file that holds a series, or channel.
        report: write report.html, and with --pairs an index.html of all pairs.
        header: sform or qform, to be trusted where the two of a file disagree.
        device: cpu or cuda:0; empty takes a GPU where there is one.
        ckpt_path: weights of the bundle; empty for its own.
        bundle_options: entries of the bundle's inference.json, such as '{"num_passes": 2}'.
        num_threads: of torch; 0 leaves them to torch.
        overwrite: register again, and replace what the output folder holds.
        strict: end with the exit code 3 where the verdict about a registration is failed.
    """
    given = SimpleNamespace(**locals(), defaults=inspect.signature(register).parameters)
    jobs = _jobs(given)
    processes = Processes.of(shard, bool(pairs))
    check_number("num_threads", num_threads, int)
    if num_threads:
        torch.set_num_threads(num_threads)
    registrar = registrar_of(given)
    if processes.is_first:
        print(f"device {registrar.device}, {torch.get_num_threads()} threads", file=sys.stderr, flush=True)
        if not has_step(given, registrar):
            print(NO_STEP, file=sys.stderr, flush=True)
    folder = Path(str(output_dir)).expanduser()
    if pairs and report:
        check_index(folder, overwrite)
    with processes:
        failures, verdicts = processes.gather(*_registered(processes.part(jobs), registrar, folder, given))
    if processes.is_first and pairs:
        _list_failures(failures, len(processes.part(jobs)) if shard else len(jobs))
        print(summary(verdicts), flush=True)
        if report and not shard:
            write_index(folder, [job.name for job in jobs], dict(failures))
    if failures:
        sys.exit(1)
    if strict and any(verdict["grade"] == "failed" for _, verdict in verdicts):
        sys.exit(FAILED_EXIT)


def _registered(
    jobs: list[Job], registrar: Registrar, folder: Path, given: SimpleNamespace
) -> tuple[list[tuple[str, str]], list[tuple[str, dict]]]:
    """Failures with their reasons and verdicts, by the names of the pairs; a single pair raises and is summed up."""
    request = Request(given.inverse, given.learn2reg, given.report, given.format)
    verdicts: list[tuple[str, dict]] = []
    with ProgressDisplay(len(jobs) if given.pairs else 0, Processes.rank()) as display:

        def run(job: Job) -> dict:
            display.pair(job.name)
            progress = Progress(partial(_show, display, folder / job.name))
            metrics = run_job(job, registrar, folder, request, given.overwrite, progress)
            verdicts.append((job.name, metrics["verdict"]))
            return metrics

        if given.pairs:
            return run_jobs(jobs, run), verdicts
        metrics = run(jobs[0])
    _print_summary(metrics, folder)
    return [], verdicts


def _jobs(given: SimpleNamespace) -> list[Job]:
    kinds = ("fixed_label", "moving_label", "fixed_points", "moving_points", "fixed_mask", "moving_mask")
    annotations = Annotations(**{kind: str(getattr(given, kind)) for kind in kinds})
    if not given.output_dir:
        raise ValueError("output_dir: expected a folder for the results, got none")
    if given.pairs and (given.fixed or given.moving or annotations != Annotations()):
        raise ValueError("expected either one pair or --pairs, got both")
    if given.pairs:
        return read_jobs(str(given.pairs))
    for name in ("fixed", "moving"):
        if not getattr(given, name):
            raise ValueError(f"{name}: expected an image, or --pairs, got none")
    return [Job(str(given.fixed), str(given.moving), "", annotations).absolute(Path.cwd())]


def _show(display: ProgressDisplay, folder: Path, status: Status) -> None:
    if status.step == ALREADY_REGISTERED:
        display.write(f"{folder}: {status}", sys.stdout)
    else:
        display(status)


def _print_summary(metrics: dict, output_dir: Path) -> None:
    shown = {name: metrics[name] for name in ("similarity", "regularity", "seconds")}
    for name, score in SHOWN_SCORES.items():
        if metrics[name]:
            shown[name] = {when: {score: metrics[name][when][score]} for when in ("before", "after")}
    print(json.dumps(shown, indent=2))
    print(f"similarity: {metrics['contrast']['similarity']} ({metrics['contrast']['reason']})")
    print(f"{output_dir}: {', '.join(metrics['files'])}")
    print(Verdict(**metrics["verdict"]))


def _list_failures(failures: list, num_jobs: int) -> None:
    print(f"{num_jobs - len(failures)} of {num_jobs} pairs are registered", flush=True)
    for name, reason in sorted(failures):
        print(f"failed: {name}: {reason}", file=sys.stderr, flush=True)
