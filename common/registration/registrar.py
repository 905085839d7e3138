"""Register two images: alignment, a bundle's prediction, discrete search, refinement."""

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from monai.data import MetaTensor

from ..data.volume import input_image
from ..solvers.affine import NUM_PARAMETERS, affine_by_mutual_information
from ..words import one_of
from ..world.alignment import aligned, check_overlap, initial_alignment
from ..world.grid import Grid, on_grid
from ..world.maps import affine_after_field
from .greedy import GreedyRefinement, refine_greedily, refinement_of
from .prediction import Prediction, bundle_folder
from .result import Registration
from .steps import DiscreteSearch, Refinement, refine, search


class Registrar:
    """Registers pairs with one setting; a bundle's network is read once.

    Args:
        bundle: name or folder of a bundle; "none" for no network.
        init: "world", "center" or "moments", see :func:`~common.world.alignment.initial_alignment`.
        affine: True or "affine", "rigid"; False or "" leaves the initial alignment.
        search: settings of the discrete search after the bundle; None for none.
        refinement: settings of the refinement after both, greedy or by Adam; None for none.
        header: which of sform and qform to trust where they disagree.
        device: "cpu", "cuda:0", …; "" takes a GPU where there is one.
        ckpt_path: weights of the bundle; empty for its models/model.pt.
        bundle_options: entries of the bundle's inference.json.

    Raises:
        ValueError: for an unknown setting, a device that cannot be used, weights of another network.
        FileNotFoundError: where there is no such bundle.
    """

    def __init__(
        self,
        bundle: str = "none",
        init: str = "world",
        affine: bool | str = False,
        search: DiscreteSearch | None = None,
        refinement: GreedyRefinement | Refinement | None = None,
        header: str = "",
        device: str = "",
        ckpt_path: str = "",
        bundle_options: dict[str, Any] | None = None,
    ) -> None:
        self.device = usable_device(device)
        self.init, self.header, self.search, self.refinement = init, header, search, refinement
        self.affine = {True: "affine", False: "", None: ""}.get(affine, affine)
        self.prediction = None
        if bundle and bundle != "none":
            self.prediction = Prediction(bundle_folder(bundle), ckpt_path, self.device, **(bundle_options or {}))
        elif bundle_options or ckpt_path:
            raise ValueError("bundle_options and ckpt_path: expected a bundle beside them, got none")
        self.settings = {
            "bundle": str(bundle or "none"),
            "ckpt_path": str(ckpt_path),
            "weights_sha256": self.prediction.settings["weights_sha256"] if self.prediction else "",
            "bundle_options": bundle_options or {},
            "init": init,
            "affine": self.affine,
            "search": asdict(search) if search else None,
            "refinement": asdict(refinement) if refinement else None,
            "header": header,
        }

    def __call__(
        self,
        fixed: str | os.PathLike | MetaTensor,
        moving: str | os.PathLike | MetaTensor,
        on_progress: Callable[[str], None] | None = None,
    ) -> Registration:
        """Register one pair.

        Args:
            fixed: NIfTI file, or volume (1, X, Y, Z) with its affine.
            moving: the same, on any grid.
            on_progress: called with the name of each step that begins.

        Raises:
            FileNotFoundError: no such file.
            ValueError: for images that cannot be registered; names the file.
        """
        started = time.perf_counter()
        report = on_progress or (lambda step: None)
        report("reading")
        fixed, moving = (input_image(image, self.header) for image in (fixed, moving))
        initial = initial_alignment(self.init, fixed, moving)
        if self.prediction is None or self.affine:
            check_overlap(fixed, moving, initial)
        if self.affine:
            report("affine")
        matrix = align(fixed, moving, initial, self.affine, self.device)
        field_mm = self._field(fixed, aligned(moving, matrix), matrix, report)
        if matrix.equal(torch.eye(4, dtype=matrix.dtype)) and field_mm is not None:
            total = field_mm
        else:
            total = affine_after_field(matrix, field_mm, Grid.from_image(fixed))
        field = on_grid(total, Grid.from_image(fixed), like=fixed)
        seconds = time.perf_counter() - started
        return Registration(fixed, moving, field, initial, matrix, self.settings, seconds)

    def _field(
        self, fixed: MetaTensor, moving: MetaTensor, matrix: torch.Tensor, report: Callable[[str], None]
    ) -> torch.Tensor | None:
        """Displacement in the fixed image's world, to which the moving image is aligned; None stands for zero."""
        field_mm = None
        if self.prediction is not None:
            report("bundle")
            is_aligned = not matrix.equal(torch.eye(4, dtype=matrix.dtype))
            field_mm = self.prediction(fixed, moving, is_aligned=is_aligned).as_tensor()
        if self.search is not None:
            report("search")
            field_mm = search(fixed, moving, field_mm, self.search, self.device)
        if self.refinement is not None:
            report("refinement")
            improve = refine_greedily if isinstance(self.refinement, GreedyRefinement) else refine
            field_mm = improve(fixed, moving, field_mm, self.refinement, self.device)
        return field_mm


def register(
    fixed: str | os.PathLike | MetaTensor,
    moving: str | os.PathLike | MetaTensor,
    bundle: str = "none",
    *,
    init: str = "world",
    affine: bool | str = False,
    search: int | DiscreteSearch = 0,
    refine: int | GreedyRefinement | Refinement = 0,
    effort: str = "",
    device: str = "",
    **options: Any,
) -> Registration:
    """Register the moving image onto the fixed one.

    Args:
        fixed: NIfTI file, or volume (1, X, Y, Z) with its affine.
        moving: the same, on any grid and of any contrast that the bundle or the similarity takes.
        bundle: name or folder of a bundle; "none" for affine, search or refinement alone.
        init: "world" trusts the headers, "center" and "moments" lay centers or centers of mass on each other.
        affine: True, or "rigid".
        search: passes of a discrete search; more settings as a :class:`~.steps.DiscreteSearch`.
        refine: iterations of the greedy solver on each level, at most; more settings as a
            :class:`~.greedy.GreedyRefinement`, or a :class:`~.steps.Refinement` for Adam.
        effort: "fast", "normal" or "best", an affine map and a refinement; "none"; "" for normal where neither bundle
            nor step is asked for.
        device: where to compute; "" takes a GPU where there is one.
        **options: the others of :class:`Registrar`: ``header``, ``ckpt_path``, ``bundle_options``.

    Returns:
        The registration: ``.warp(image)``, ``.field``, ``.inverse``, ``.save(dir)``.

    Example:
        >>> x = torch.linspace(-1, 1, 24)
        >>> blob = torch.exp(-4 * (x[:, None, None] ** 2 + x[:, None] ** 2 + 2 * x**2))[None]
        >>> fixed, moving = (MetaTensor(blob.roll(k, 1), affine=torch.eye(4)) for k in (0, 3))
        >>> register(fixed, moving, init="moments", effort="none").affine[0, 3].round().item()
        3.0
    """
    refinement = GreedyRefinement(num_iterations=refine) if isinstance(refine, int) and refine else refine or None
    searching = DiscreteSearch(num_passes=search) if isinstance(search, int) and search else search or None
    effort = effort or own_effort(bundle, affine, search, refine)
    if effort != "none":
        affine, refinement = affine or True, refinement or refinement_of(effort)
    return Registrar(bundle, init, affine, searching, refinement, device=device, **options)(fixed, moving)


def own_effort(bundle: str, *steps: Any) -> str:
    """The effort where none is asked for: "normal" without bundle and steps, else "none".

    Example:
        >>> own_effort("none", False, 0), own_effort("mcd_pemd", False, 0), own_effort("none", True, 0)
        ('normal', 'none', 'none')
    """
    return "none" if bundle not in ("", "none") or any(steps) else "normal"


def usable_device(name: str) -> str:
    """The name of a device that is there, or of a GPU where there is one for an empty name.

    Raises:
        ValueError: for a device that PyTorch does not know or cannot use; names those that are there.

    Example:
        >>> usable_device("cpu")
        'cpu'
    """
    count = torch.cuda.device_count()
    name = str(name) or ("cuda:0" if count else "cpu")
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        known = ", ".join(["cpu", *(f"cuda:{number}" for number in range(count))])
        raise ValueError(f"device: expected one of {known}, got {name!r}") from error
    return name


def align(fixed: MetaTensor, moving: MetaTensor, initial: torch.Tensor, kind: str, device: str = "cpu") -> torch.Tensor:
    """Improve an alignment by :func:`~common.solvers.affine.affine_by_mutual_information`; names the files in errors.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z').
        initial: (4, 4), RAS mm.
        kind: "rigid", "affine", or "" to leave it as it is.
        device: where to compute.

    Returns:
        (4, 4), float64, RAS mm.

    Raises:
        ValueError: for another kind.
    """
    if not kind:
        return initial
    one_of("affine", kind, (True, *NUM_PARAMETERS))
    images = [image.as_tensor().to(device) for image in (fixed, moving)]
    grids = [Grid.from_image(image) for image in (fixed, moving)]
    return affine_by_mutual_information(images[0], grids[0], images[1], grids[1], initial, kind)
