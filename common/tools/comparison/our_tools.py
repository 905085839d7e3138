"""What scripts/register.py and a bundle do, as tools of the comparison."""

from dataclasses import asdict, dataclass
from typing import Any

from monai.data import MetaTensor

from ...registration.greedy import GreedyRefinement, refinement_of
from ...registration.prediction import Prediction
from ...registration.registrar import Registrar
from ...registration.steps import DiscreteSearch, Refinement
from ...world.grid import Grid, on_grid
from ...world.resample import resample
from .costs import Costs
from .image_pair import ImagePair


class RegisterTool:
    """An effort, or search and refinement by Adam, alone or after a bundle; their field, continued beyond the image.

    Args:
        bundle: name or folder of a bundle; empty for none.
        ckpt_path: weights of the bundle; empty for its models/model.pt.
        init: "world" or "center", the initial alignment.
        effort: "fast", "normal" or "best"; empty for none.
        refine: iterations of Adam on each level, or settings of the greedy solver; 0 for none.
        search: passes of the discrete search; 0 for none.
        affine: "rigid" or "affine" aligns the images before, as an effort does; "" does not.
        **options: ``similarity`` of an effort, or settings of :class:`~common.registration.steps.Refinement`.

    Raises:
        ValueError: for settings of a refinement that is left out; for an effort beside another refinement.
    """

    def __init__(
        self,
        bundle: str = "",
        ckpt_path: str = "",
        init: str = "world",
        effort: str = "",
        refine: int | GreedyRefinement = 0,
        search: int = 0,
        affine: str = "",
        **options: Any,
    ) -> None:
        if effort and refine:
            raise ValueError(f"expected either effort or refine, got {effort} and {refine}")
        if options and not refine and not effort:
            raise ValueError(f"expected effort or refine > 0 beside {', '.join(options)}, got none")
        affine = affine or ("affine" if effort else "")
        refinement: GreedyRefinement | Refinement | None = refinement_of(effort, **options) if effort else None
        if refine:
            refinement = Refinement(refine, **options) if isinstance(refine, int) else refine
        searching = DiscreteSearch(search) if search else None
        self.registrar = Registrar(bundle, init, affine, searching, refinement, device="cpu", ckpt_path=ckpt_path)
        steps = {"search": asdict(searching)} if searching else {}
        steps |= {"refinement": asdict(refinement)} if refinement else {}
        self.settings, self.costs = {**self.registrar.bundle_settings, "init": init, "affine": affine, **steps}, Costs()

    def __call__(self, images: ImagePair) -> MetaTensor:
        """Field on the grid of a pair, (3, X, Y, Z), RAS mm."""
        with self.costs:
            field = self.registrar(images.fixed, images.moving).field
        if images.grid.coincides_with(Grid.from_image(field)):
            return field
        wide = resample(field, Grid.from_image(field), images.grid, background=None)
        return on_grid(wide, images.grid, like=images.fixed)


@dataclass
class BundleCosts(Costs):
    """The costs of a bundle, and the seconds that the network and its inferer took of them."""

    inferer_seconds: float = 0.0


class BundleTool:
    """Registers pairs as the bundle's ``inference.json`` does, but for files: no reading, no writing.

    Args:
        bundle_root: folder of the bundle.
        ckpt_path: weights of its ``network_def``; empty for ``models/model.pt``.
        **overrides: entries of ``inference.json``, such as ``num_passes``.

    Raises:
        FileNotFoundError: where there are no such weights.
        ValueError: for an override that inference.json does not declare, or of another kind than it declares.
    """

    def __init__(self, bundle_root: str, ckpt_path: str = "", **overrides: Any) -> None:
        self.prediction = Prediction(bundle_root, ckpt_path, **overrides)
        self.settings, self.costs = self.prediction.settings, BundleCosts()

    def __call__(self, images: ImagePair) -> MetaTensor:
        """Field on the grid of a pair, (3, X, Y, Z), RAS mm."""
        with self.costs:
            field = self.prediction(images.fixed, images.moving, images.grid)
        self.costs.inferer_seconds = self.prediction.inferer_seconds
        return field
