"""Register two images: alignment, a bundle's prediction, discrete search, refinement."""

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from monai.data import MetaTensor

from ..data.volume import input_image
from ..world.alignment import aligned, check_overlap, initial_alignment
from ..world.grid import Grid, on_grid
from ..world.maps import affine_after_field
from .affine import align
from .contrast import Contrast, contrast_of
from .device import usable_device
from .duration import expected_parts
from .fitting import fitted
from .greedy import AUTO, FEATURES, GreedyRefinement, refine_greedily, refinement_of
from .guidance import Guidance
from .outputs import Annotations, read_annotations
from .plane import are_planes, distance_of, middle_slice, slab, within_plane
from .prediction import Prediction, bundle_folder
from .progress import Progress, Status
from .request import own_effort, step
from .result import Registration
from .start import Init, Start
from .steps import DiscreteSearch, Refinement, check_use, refine, refinement_on, search


class Registrar:
    """Registers pairs with one setting; a bundle's network is read once.

    Args:
        bundle: name or folder of a bundle; "none" for no network.
        init: "world", "center", "moments" or transforms, see :class:`~.start.Init`.
        affine: True or "affine", "rigid"; False or "" leaves the initial alignment.
        search: settings of the discrete search after the bundle; None for none.
        refinement: settings of the refinement after both, greedy or by Adam; None for none.
        header: which of sform and qform to trust where they disagree.
        device: "cpu", "cuda:0", …; "" takes a GPU where there is one.
        ckpt_path: weights of the bundle; empty for its models/model.pt.
        bundle_options: entries of the bundle's inference.json.
        frame: which volume to take, from 0, of a file that holds a series, or which channel; None for single volumes.

    Raises:
        ValueError: for an unknown setting, a device that cannot be used, weights of another network.
        FileNotFoundError: where there is no such bundle.
    """

    def __init__(
        self,
        bundle: str = "none",
        init: str | os.PathLike | Sequence[str | os.PathLike] = "world",
        affine: bool | str = False,
        search: DiscreteSearch | None = None,
        refinement: GreedyRefinement | Refinement | None = None,
        header: str = "",
        device: str = "",
        ckpt_path: str = "",
        bundle_options: dict[str, Any] | None = None,
        frame: int | None = None,
    ) -> None:
        self.frame = frame
        self.device = usable_device(device)
        self.init, self.header, self.search = Init(init), header, search
        self.affine = {True: "affine", False: "", None: ""}.get(affine, affine)
        prediction = None
        if bundle and bundle != "none":
            prediction = Prediction(bundle_folder(bundle), ckpt_path, self.device, **(bundle_options or {}))
        elif bundle_options or ckpt_path:
            raise ValueError("bundle_options and ckpt_path: expected a bundle beside them, got none")
        self.bundle_settings = prediction.settings if prediction else {}
        self.features = prediction.features if prediction else None
        self.prediction = None if self.features else prediction
        self.refinement = refinement = refinement_on(self.features, refinement)
        if self.features:
            check_use(bundle, search or refinement, bundle_options or {})
        self.settings = {
            "bundle": str(bundle or "none"),
            "ckpt_path": str(ckpt_path),
            "weights_sha256": self.bundle_settings.get("weights_sha256", ""),
            "bundle_options": bundle_options or {},
            **self.init.settings,
            "affine": self.affine,
            "search": asdict(search) if search else None,
            "refinement": asdict(refinement) if refinement else None,
            "header": header,
            "frame": frame,
        }

    def __call__(
        self,
        fixed: Any,
        moving: Any,
        progress: Progress | None = None,
        annotations: Annotations | Mapping[str, Any] | None = None,
    ) -> Registration:
        """Register one pair.

        Args:
            fixed: file or image in memory, see :func:`~common.data.volume.input_image`.
            moving: the same, on any grid; planes and volumes are registered with their like.
            progress: is told of each step and iteration; None for silence.
            annotations: masks, labels and landmarks of the pair, as files or read; labels and landmarks take part
                where the refinement has weights of them.

        Raises:
            FileNotFoundError: no such file.
            ValueError: for images that cannot be registered; names the file.
        """
        progress = progress or Progress()
        progress.begin("reading")
        fixed, moving = (input_image(image, self.header, self.frame) for image in (fixed, moving))
        given = asdict(annotations) if isinstance(annotations, Annotations) else annotations or {}
        given = fitted(read_annotations(given, self.header), fixed, moving)
        weights = (getattr(self.refinement, name, 0.0) for name in ("label_weight", "point_weight"))
        guidance = Guidance.of(given).weighted(*weights)
        is_plane = are_planes(fixed, moving)
        start = self.init(fixed, moving)
        return (self._planes if is_plane else self._volumes)(fixed, moving, start, guidance, progress)

    def _planes(
        self, fixed: MetaTensor, moving: MetaTensor, start: Start, guidance: Guidance, progress: Progress
    ) -> Registration:
        """Two planes, as slabs in one place."""
        to_moving = torch.eye(4, dtype=torch.float64)
        to_moving[:3, 3] = distance_of(fixed, moving)
        in_place = guidance.aligned(to_moving).solid()
        within = Start(torch.linalg.inv(to_moving) @ within_plane(start.matrix, fixed, moving))
        if start.field_mm is not None:
            field_mm = slab(on_grid(start.field_mm, Grid.from_image(fixed), like=fixed)).as_tensor()
            within = replace(within, field_mm=field_mm)
        found = self._volumes(slab(fixed), slab(aligned(moving, to_moving)), within, in_place, progress)
        maps = [within_plane(matrix, fixed, moving) for matrix in (found.initial, found.affine)]
        field = on_grid(middle_slice(found.field.as_tensor(), fixed, moving), Grid.from_image(fixed), like=fixed)
        planes = {"fixed": fixed, "moving": moving, "field": field, "guidance": guidance}
        return replace(found, **planes, initial=maps[0], affine=maps[1])

    def _volumes(
        self, fixed: MetaTensor, moving: MetaTensor, start: Start, guidance: Guidance, progress: Progress
    ) -> Registration:
        """Two volumes, already read."""
        started = time.perf_counter()
        initial, affine = start.matrix, self._affine(start)
        if self.prediction is None or affine:
            check_overlap(fixed, moving, initial)
        if not progress.is_silent:
            steps = affine, self.search, self.refinement
            besides = "bundle" if self.prediction or self.features else ""
            progress.expect(expected_parts(Grid.from_image(fixed), *steps, self.device, self.features), besides)
        if affine:
            progress.begin("affine")
        alignment = align(fixed, moving, initial, affine, self.device, progress.listener, guidance)
        matrix = alignment.matrix
        in_place, in_reach = aligned(moving, matrix), guidance.aligned(matrix)
        is_aligned = not matrix.equal(torch.eye(4, dtype=matrix.dtype))
        contrast, doubts = self._seen(fixed, in_place, in_reach, is_aligned)
        field_mm = start.field_mm
        if self.prediction is not None:
            progress.begin("bundle")
            field_mm = self.prediction(fixed, in_place, is_aligned=is_aligned).as_tensor()
        field_mm = self._improved(fixed, in_place, field_mm, contrast.similarity, progress, in_reach)
        if not is_aligned and field_mm is not None:
            total = field_mm
        else:
            total = affine_after_field(matrix, field_mm, Grid.from_image(fixed))
        doubts += self._far(field_mm)
        field = on_grid(total, Grid.from_image(fixed), like=fixed)
        seconds = time.perf_counter() - started
        facts = {"contrast": contrast, "doubts": tuple(doubts), "alignment": alignment.facts, "guidance": guidance}
        return Registration(fixed, moving, field, initial, matrix, self.settings, seconds, **facts)

    def _affine(self, start: Start) -> str:
        """Kind of affine map to optimize; a field to start from holds one already, and leaves nothing to a network.

        Raises:
            ValueError: for a field beside a bundle.
        """
        if start.field_mm is None:
            return self.affine
        if self.prediction is not None:
            raise ValueError("init: expected affine maps beside a bundle, which predicts the field, got a field")
        return ""

    def _seen(
        self, fixed: MetaTensor, moving: MetaTensor, guidance: Guidance, is_aligned: bool
    ) -> tuple[Contrast, list[str]]:
        """What an aligned pair shows, and what of it the bundle does not know; warns of that before it computes."""
        if self.prediction is not None and not is_aligned:
            matrix = initial_alignment(self.prediction.init, fixed, moving)
            moving, guidance = aligned(moving, matrix), guidance.aligned(matrix)
        refined_by = self.refinement.similarity if self.refinement else AUTO
        contrast = contrast_of(fixed, moving, FEATURES if self.features else refined_by, guidance)
        if self.prediction is None or self.prediction.trained_on is None:
            return contrast, contrast.doubts
        return contrast, contrast.doubts + _warned(self.prediction.trained_on.differences(fixed, moving, contrast))

    def _far(self, field_mm: torch.Tensor | None) -> list[str]:
        """Whether a bundle has moved voxels farther apart than the pairs that it was trained on; warns of that."""
        if field_mm is None or self.prediction is None or self.prediction.trained_on is None:
            return []
        return _warned(self.prediction.trained_on.too_far(field_mm))

    def _improved(
        self,
        fixed: MetaTensor,
        moving: MetaTensor,
        field_mm: torch.Tensor | None,
        similarity: str,
        progress: Progress,
        guidance: Guidance,
    ) -> torch.Tensor | None:
        """Displacement after search and refinement, in the world of the fixed image."""
        if self.search is not None:
            progress.begin("search")
            how = self.device, progress.listener, guidance, self.features
            field_mm = search(fixed, moving, field_mm, self.search, *how)
        if self.refinement is not None:
            progress.begin("refinement")
            settings = replace(self.refinement, similarity=similarity)
            how = self.device, progress.listener, guidance
            if isinstance(settings, GreedyRefinement):
                return refine_greedily(fixed, moving, field_mm, settings, *how, self.features)
            return refine(fixed, moving, field_mm, settings, *how)
        return field_mm


def _warned(doubts: list[str]) -> list[str]:
    for doubt in doubts:
        warnings.warn(doubt, stacklevel=4)
    return doubts


def register(
    fixed: Any,
    moving: Any,
    bundle: str = "none",
    *,
    init: str | os.PathLike | Sequence[str | os.PathLike] = "world",
    affine: bool | str = False,
    search: int | DiscreteSearch = 0,
    refine: int | GreedyRefinement | Refinement = 0,
    effort: str = "",
    similarity: str = AUTO,
    fixed_mask: str | os.PathLike | MetaTensor = "",
    moving_mask: str | os.PathLike | MetaTensor = "",
    annotations: Mapping[str, Any] | None = None,
    device: str = "",
    on_progress: Callable[[Status], None] | None = None,
    **options: Any,
) -> Registration:
    """Register the moving image onto the fixed one.

    Args:
        fixed: file of NIfTI, NRRD, MetaImage, or a DICOM series; or an image of MONAI, nibabel, SimpleITK or NumPy, see
            :func:`~common.data.volume.input_image`.
        moving: the same, on any grid and of any contrast that the bundle or the similarity takes.
        bundle: name or folder of a bundle, which predicts the field or gives the features that search and refinement
            compare; "none" for affine, search or refinement alone.
        init: "world" trusts the headers, "center" and "moments" lay centers or centers of mass on each other; or
            transforms that are known, see :class:`~.start.Init`. One with a field takes the place of the affine map.
        affine: True, or "rigid".
        search: passes of a discrete search; more settings as a :class:`~.steps.DiscreteSearch`.
        refine: iterations of the greedy solver on each level, at most; more settings as a
            :class:`~.greedy.GreedyRefinement`, or a :class:`~.steps.Refinement` for Adam.
        effort: "fast", "normal" or "best", an affine map and a refinement; "none"; "" for normal where neither a bundle
            that predicts nor a step is asked for.
        similarity: of the refinement: "auto" looks whether the images show one contrast and takes "lncc" or "mind".
        fixed_mask: NIfTI file or volume; where it is 0, such as in a lesion, the fixed image is not compared.
        moving_mask: the same of the moving image.
        annotations: files or content of further :class:`~.outputs.Annotations`, which take part in a greedy refinement
            with a ``label_weight`` or ``point_weight``.
        device: where to compute; "" takes a GPU where there is one.
        on_progress: called with a :class:`~.progress.Status` at each step and iteration; None for silence.
        **options: the others of :class:`Registrar`: ``header``, ``ckpt_path``, ``bundle_options``, ``frame``.

    Returns:
        The registration: ``.warp(image)``, ``.field``, ``.inverse``, ``.save(dir)``.

    Example:
        >>> x = torch.linspace(-1, 1, 24)
        >>> blob = torch.exp(-4 * (x[:, None, None] ** 2 + x[:, None] ** 2 + 2 * x**2))[None]
        >>> fixed, moving = (MetaTensor(blob.roll(k, 1), affine=torch.eye(4)) for k in (0, 3))
        >>> register(fixed, moving, init="moments", effort="none").affine[0, 3].round().item()
        3.0
    """
    refine, search = step("refine", refine, Refinement | GreedyRefinement), step("search", search, DiscreteSearch)
    refinement = GreedyRefinement(refine, similarity) if isinstance(refine, int) and refine else refine or None
    if similarity != AUTO and not isinstance(refine, int):
        raise ValueError(f"similarity: expected it in the settings of refine, got {similarity!r} beside them")
    searching = DiscreteSearch(num_passes=search) if isinstance(search, int) and search else search or None
    effort = effort or own_effort(bundle, affine, search, refine)
    if effort != "none":
        affine, refinement = affine or True, refinement or refinement_of(effort, similarity)
    registrar = Registrar(bundle, init, affine, searching, refinement, device=device, **options)
    given = {**(annotations or {}), "fixed_mask": fixed_mask, "moving_mask": moving_mask}
    return registrar(fixed, moving, Progress(on_progress), given)
