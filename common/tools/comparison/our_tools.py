"""What scripts/register.py and a bundle do, as tools of the comparison."""

from dataclasses import asdict
from typing import Any

from monai.data import MetaTensor

from ...registration.prediction import Prediction
from ...registration.registrar import Registrar
from ...registration.steps import DiscreteSearch, Refinement
from ...world.grid import Grid, on_grid
from ...world.resample import resample
from .region_pair import RegionPair


class RegisterTool:
    """Search and refinement, alone or after a bundle; their field, continued beyond the image, on the scored cube.

    Args:
        bundle: folder of a bundle; empty for none, which lays the centers of the images on each other first.
        ckpt_path: weights of the bundle; empty for its models/model.pt.
        refine: iterations of the refinement on each level; 0 for none.
        search: passes of the discrete search; 0 for none.
        affine: "rigid" or "affine" aligns the images before; "" does not.
        **refinement: other settings of :class:`~common.registration.steps.Refinement`.

    Raises:
        ValueError: for settings of a refinement that is left out.
    """

    def __init__(
        self,
        bundle: str = "",
        ckpt_path: str = "",
        refine: int = 50,
        search: int = 0,
        affine: str = "",
        **refinement: Any,
    ) -> None:
        if refinement and not refine:
            raise ValueError(f"expected refine > 0 beside {', '.join(refinement)}, got {refine}")
        settings = Refinement(refine, **refinement) if refine else None
        searching = DiscreteSearch(search) if search else None
        init = "world" if bundle else "center"
        self.registrar = Registrar(bundle, init, affine, searching, settings, device="cpu", ckpt_path=ckpt_path)
        own = self.registrar.prediction.settings if self.registrar.prediction else {}
        steps = {"search": asdict(searching)} if searching else {}
        steps |= {"refinement": asdict(settings)} if settings else {}
        self.settings = {**own, "init": init, "affine": affine, **steps}

    def __call__(self, pair: RegionPair) -> MetaTensor:
        """Field on the fixed cube of a pair, (3, pad, pad, pad), RAS mm."""
        field = self.registrar(pair.fixed, pair.moving).field
        wide = resample(field, Grid.from_image(field), pair.grid, background=None)
        return on_grid(wide, pair.grid, like=pair.fixed)


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
        self.settings = self.prediction.settings

    @property
    def inferer_seconds(self) -> float:
        """Seconds that the network and its inferer took for the last pair."""
        return self.prediction.inferer_seconds

    def __call__(self, pair: RegionPair) -> MetaTensor:
        """Field on the fixed cube of a pair, (3, pad, pad, pad), RAS mm."""
        return self.prediction(pair.fixed, pair.moving, pair.grid)
