"""Register any pair of NIfTI images, or a list of them.

python scripts/register.py --fixed F.nii.gz --moving M.nii.gz --output_dir OUT
python scripts/register.py --fixed F.nii.gz --moving M.nii.gz --output_dir OUT --effort best --similarity mind
python scripts/register.py --pairs pairs.csv --output_dir OUT --bundle wasserstein_voxelmorph
torchrun --nproc_per_node 2 scripts/register.py --pairs pairs.csv --output_dir OUT --affine
"""

import datetime
import inspect
import json
import os
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from common.registration.batch import ALREADY_REGISTERED, Job, Request, read_jobs, run_job, run_jobs
from common.registration.greedy import GreedyRefinement, refinement_of
from common.registration.outputs import Annotations
from common.registration.registrar import Registrar, own_effort
from common.registration.steps import DiscreteSearch, Refinement
from common.solvers.greedy import SIMILARITIES
from common.tools.command_line import run_command
from common.words import one_of

NO_STEP = (
    "warning: expected a step, such as --affine, --bundle NAME, --search 2 or --refine 50, got --effort none:"
    " warped.nii.gz will be the moving image on the fixed one's grid, where the headers lay it"
)
EXAMPLES = {"search": 2, "refine": 50}
SHOWN_SCORES = {"overlap": "dice", "landmarks": "mean_mm"}
LONGEST_WAIT = datetime.timedelta(days=30)  # of one process for the others' last pairs


def register(
    fixed: str = "",
    moving: str = "",
    output_dir: str = "",
    pairs: str = "",
    bundle: str = "none",
    effort: str = "",
    init: str = "world",
    affine: bool | str = False,
    search: int = 0,
    search_levels: int = DiscreteSearch.num_levels,
    refine: int = 0,
    solver: str = "",
    similarity: str = Refinement.similarity,
    regularization: str = Refinement.regularization,
    weight: float = Refinement.weight,
    learning_rate: float = Refinement.learning_rate,
    control_spacing: int = Refinement.control_spacing,
    velocity: bool = Refinement.velocity,
    num_levels: int = Refinement.num_levels,
    spacing_mm: float = Refinement.spacing_mm,
    fixed_label: str = "",
    moving_label: str = "",
    fixed_points: str = "",
    moving_points: str = "",
    inverse: bool = False,
    learn2reg: bool = False,
    report: bool = True,
    header: str = "",
    device: str = "",
    ckpt_path: str = "",
    bundle_options: dict | None = None,
    num_threads: int = 0,
    overwrite: bool = False,
) -> None:
    """Bring the moving image onto the fixed one; docs/register.md tells more.

    Args:
        fixed: NIfTI file that stays in place.
        moving: NIfTI file that is brought onto it.
        output_dir: folder of the results; with --pairs each pair gets a folder in it.
        pairs: JSON or CSV list of fixed, moving and perhaps name, labels, points; in place of --fixed and --moving.
        bundle: name or folder of a bundle; none for affine, search or refinement alone.
        effort: fast, normal or best: an affine map and a refinement; none for the other steps alone; normal where no
            step is asked for.
        init: world trusts the headers; center and moments lay centers or centers of mass on each other.
        affine: also optimize an affine map by mutual information first; rigid for a rigid one.
        search: passes of a discrete search by MIND-SSC, after the bundle or alone; 0 for none.
        search_levels: resolutions of the search; each doubles its reach, 4 voxels per pass on the finest one.
        refine: iterations of the refinement on each level, last of all; 0 for none.
        solver: of the refinement: greedy, for lncc, mind and mse, or adam; empty for greedy where that is possible.
        similarity: of the refinement: lncc, mind, mse, mi, swd, pswd, radon, coord_swd.
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
        inverse: also write inverse_field.nii.gz on the moving image's grid.
        learn2reg: also write the field as the Learn2Reg challenge takes it.
        report: write report.html.
        header: sform or qform, to be trusted where the two of a file disagree.
        device: cpu or cuda:0; empty takes a GPU where there is one.
        ckpt_path: weights of the bundle; empty for its own.
        bundle_options: entries of the bundle's inference.json, such as '{"num_passes": 2}'.
        num_threads: of torch; 0 leaves them to torch.
        overwrite: register again, and replace what the output folder holds.
    """
    rank, num_processes = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    annotations = Annotations(*(str(path) for path in (fixed_label, moving_label, fixed_points, moving_points)))
    jobs = _jobs(fixed, moving, output_dir, pairs, annotations)
    if num_processes > 1 and not pairs:
        raise ValueError(f"expected --pairs for {num_processes} processes of torchrun, got a single pair")
    _check_number("num_threads", num_threads, int)
    if num_threads:
        torch.set_num_threads(num_threads)
    options = {"regularization": regularization, "weight": weight, "learning_rate": learning_rate}
    options |= {"control_spacing": control_spacing, "velocity": velocity}
    shared = {"similarity": similarity, "num_levels": num_levels}
    for name in ("weight", "learning_rate"):
        _check_number(name, options[name], float)
    for name, value in (("num_levels", num_levels), ("control_spacing", control_spacing)):
        _check_number(name, value, int)
    _check_number("search_levels", search_levels, int)
    _check_number("spacing_mm", spacing_mm, float)
    _check_step("search", search, {"search_levels": search_levels})
    _check_step("refine", refine, options | {"solver": solver, "num_levels": num_levels})
    if not search and not refine:
        _check_unused("--search or --refine", {"spacing_mm": spacing_mm})
    if effort not in ("", "none") and refine:
        raise ValueError(f"expected either --effort {effort} or --refine, got both")
    effort = effort or own_effort(bundle, affine, search, refine)
    if effort == "none" and not refine:
        _check_unused("--refine or --effort", {"similarity": similarity})
    searching = DiscreteSearch(search, search_levels, spacing_mm=spacing_mm) if search else None
    refinement = refinement_of(effort, similarity if effort != "none" else Refinement.similarity)
    if refine:
        refinement = _refinement(refine, solver, options, shared | {"spacing_mm": spacing_mm})
    affine = affine or effort != "none"
    device = device or _own_device()
    registrar = Registrar(bundle, init, affine, searching, refinement, header, device, ckpt_path, bundle_options)
    if rank == 0 and not (affine or search or refine or registrar.prediction or init != "world"):
        print(NO_STEP, file=sys.stderr, flush=True)
    request = Request(inverse, learn2reg, report)
    folder = Path(str(output_dir)).expanduser()
    if num_processes > 1:
        torch.distributed.init_process_group("gloo", timeout=LONGEST_WAIT)
    own = jobs[rank::num_processes]
    with tqdm(own, position=rank, unit="pair", desc="registering", disable=None) as bar:

        def run(job: Job) -> dict:
            return run_job(job, registrar, folder, request, overwrite, partial(_show, bar, folder / job.name))

        if not pairs:
            _print_summary(run(own[0]), folder)
            bar.update()
            return
        failures = run_jobs(own, run, lambda job, reason: bar.update())
    _list_failures(_from_all(failures, num_processes), rank, len(jobs))


def _refinement(refine: int, solver: str, options: dict, shared: dict) -> GreedyRefinement | Refinement:
    """Settings of --refine; options of Adam are refused beside the greedy solver."""
    if not solver:
        solver = "greedy" if shared["similarity"] in SIMILARITIES else "adam"
    if one_of("solver", solver, ("greedy", "adam")) == "adam":
        return Refinement(refine, **options, **shared)
    _check_unused("--solver adam", options)
    return GreedyRefinement(refine, **shared)


def _jobs(fixed: str, moving: str, output_dir: str, pairs: str, annotations: Annotations) -> list[Job]:
    if not output_dir:
        raise ValueError("output_dir: expected a folder for the results, got none")
    if pairs and (fixed or moving or annotations != Annotations()):
        raise ValueError("expected either one pair or --pairs, got both")
    if pairs:
        return read_jobs(str(pairs))
    for name, path in (("fixed", fixed), ("moving", moving)):
        if not path:
            raise ValueError(f"{name}: expected a NIfTI file, or --pairs, got none")
    return [Job(str(fixed), str(moving), "", annotations).absolute(Path.cwd())]


def _check_number(name: str, value: object, kind: type) -> None:
    """Refuse a text, a switch, and a fraction where a whole number is meant."""
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        expected = "a number" if kind is float else "a whole number"
        raise ValueError(f"{name}: expected {expected}, got {'no value' if value is True else repr(value)}")


def _check_step(step: str, number: Any, options: dict[str, Any]) -> None:
    """Refuse a step without its number, and options of a step that is left out."""
    if number is True or not isinstance(number, int):
        found = "no value" if number is True else repr(number)
        raise ValueError(f"{step}: expected a whole number, such as --{step} {EXAMPLES[step]}, got {found}")
    if not number:
        _check_unused(f"--{step}", options)


def _check_unused(step: str, options: dict[str, Any]) -> None:
    defaults = inspect.signature(register).parameters
    changed = [f"--{name}" for name, value in options.items() if value != defaults[name].default]
    if changed:
        raise ValueError(f"{', '.join(changed)}: expected {step} beside, got none")


def _show(bar: tqdm, folder: Path, step: str) -> None:
    bar.set_description(step)
    if step == ALREADY_REGISTERED:
        bar.write(f"{folder}: {step}")


def _own_device() -> str:
    count = torch.cuda.device_count()
    return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % count}" if count else "cpu"


def _print_summary(metrics: dict, output_dir: Path) -> None:
    shown = {name: metrics[name] for name in ("similarity", "regularity", "seconds")}
    for name, score in SHOWN_SCORES.items():
        if metrics[name]:
            shown[name] = {when: {score: metrics[name][when][score]} for when in ("before", "after")}
    print(json.dumps(shown, indent=2))
    print(f"{output_dir}: {', '.join(metrics['files'])}")


def _from_all(failures: list, num_processes: int) -> list:
    """Failures of all processes; torchrun would end the others as soon as one of them failed."""
    if num_processes == 1:
        return failures
    found: list = [None] * num_processes
    torch.distributed.all_gather_object(found, failures)
    torch.distributed.destroy_process_group()
    return [failure for part in found for failure in part]


def _list_failures(failures: list, rank: int, num_jobs: int) -> None:
    if rank == 0:
        print(f"{num_jobs - len(failures)} of {num_jobs} pairs are registered", flush=True)
        for name, reason in sorted(failures):
            print(f"failed: {name}: {reason}", file=sys.stderr, flush=True)
    if failures:
        sys.exit(1)


def main() -> None:
    """Run the command line; what is wrong with the input ends it with one line and the exit code 1."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        run_command(register)
    except (ValueError, TypeError, OSError, MemoryError, torch.OutOfMemoryError) as error:
        print(f"error: {error or type(error).__name__}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
