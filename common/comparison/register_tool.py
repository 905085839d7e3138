"""What scripts/register.py does, as a tool of the comparison."""

from dataclasses import asdict
from typing import Any

from monai.data import MetaTensor

from ..fields.world import Grid
from ..fields.world_field import resample
from ..registration.api import Registrar
from ..registration.refinement import Refinement
from ..transforms.network_grid import on_grid
from .region_pair import RegionPair


class RegisterTool:
    """Refinement alone or after a bundle; its field, continued beyond the fixed image, on the cube that is scored.

    Args:
        bundle: folder of a bundle; empty for none, which lays the centers of the images on each other first.
        ckpt_path: weights of the bundle; empty for its models/model.pt.
        refine: iterations on each level.
        affine: "rigid" or "affine" aligns the images before; "" does not.
        **refinement: other settings of :class:`~common.registration.refinement.Refinement`.
    """

    def __init__(
        self, bundle: str = "", ckpt_path: str = "", refine: int = 50, affine: str = "", **refinement: Any
    ) -> None:
        settings = Refinement(refine, **refinement)
        init = "world" if bundle else "center"
        self.registrar = Registrar(bundle, init, affine, settings, device="cpu", ckpt_path=ckpt_path)
        own = self.registrar.prediction.settings if self.registrar.prediction else {}
        self.settings = {**own, "init": init, "affine": affine, "refinement": asdict(settings)}

    def __call__(self, pair: RegionPair) -> MetaTensor:
        """Field on the fixed cube of a pair, (3, pad, pad, pad), RAS mm."""
        field = self.registrar(pair.fixed, pair.moving).field
        wide = resample(field, Grid.from_image(field), pair.grid, background=None)
        return on_grid(wide, pair.grid, like=pair.fixed)
