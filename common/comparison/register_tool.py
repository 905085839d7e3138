"""What scripts/register.py does, as a tool of the comparison."""

from dataclasses import asdict
from typing import Any

from monai.data import MetaTensor

from ..fields.world import Grid
from ..fields.world_field import resample
from ..registration.api import Registrar
from ..registration.discrete_search import DiscreteSearch
from ..registration.refinement import Refinement
from ..transforms.network_grid import on_grid
from .region_pair import RegionPair


class RegisterTool:
    """Search and refinement, alone or after a bundle; their field, continued beyond the image, on the scored cube.

    Args:
        bundle: folder of a bundle; empty for none, which lays the centers of the images on each other first.
        ckpt_path: weights of the bundle; empty for its models/model.pt.
        refine: iterations of the refinement on each level; 0 for none.
        search: passes of the discrete search; 0 for none.
        affine: "rigid" or "affine" aligns the images before; "" does not.
        **refinement: other settings of :class:`~common.registration.refinement.Refinement`.

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
