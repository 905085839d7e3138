"""Registration tools of others: which package with which settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from . import packages, sitk_demons
from .costs import Costs
from .image_pair import ImagePair

MODULES = {"antspyx": "ants", "picsl-greedy": "picsl_greedy"}  # where they are named otherwise than their packages


@dataclass(frozen=True)
class OtherMethod:
    """A method of a package.

    Args:
        title: in tables.
        function: of :mod:`.packages` or :mod:`.sitk_demons`.
        package: that it needs; empty for none.
        settings: what is not the package's default.
    """

    title: str
    function: Callable[..., np.ndarray]
    package: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Name under which the package is imported."""
        return MODULES.get(self.package, self.package)


# Dice in the reasons is that of one tune pair of the hippocampus set, if not said otherwise.
METHODS = {
    "initial": OtherMethod("before", packages.initial),
    # Default: affine, then SyN with 40, 20 and 0 iterations, none at full resolution; the seed makes it repeatable.
    "ants_syn": OtherMethod(
        "ANTs affine + SyN", packages.ants_syn, "antspyx", {"type_of_transform": "SyN", "random_seed": 1}
    ),
    # Iterations at full resolution too: Dice 0.686 instead of 0.666 on six tune pairs, in six times the time.
    "ants_syn_full": OtherMethod(
        "ANTs affine + SyN, also at full resolution",
        packages.ants_syn,
        "antspyx",
        {"type_of_transform": "SyN", "random_seed": 1, "reg_iterations": [100, 70, 50]},
    ),
    # Up to 2100, 1200, 1200 and, at full resolution, 20 iterations.
    "ants_syn_cc": OtherMethod(
        "ANTs affine + SyN-CC", packages.ants_syn, "antspyx", {"type_of_transform": "SyNCC", "random_seed": 1}
    ),
    # "Quick Start" of greedy.readthedocs.io, for affine map and warp; NMI in place of NCC for two contrasts.
    **{
        f"greedy_{name.lower()}": OtherMethod(
            f"Greedy affine + {name}",
            packages.greedy,
            "picsl-greedy",
            {"metric": metric, "iterations": "100x50x10"},
        )
        for name, metric in (("NCC", "NCC 2x2x2"), ("WNCC", "WNCC 2x2x2"), ("NMI", "NMI"))
    },
    # The defaults: the coarsest of three levels has 16 voxels per axis, of which windows of radius 4 take 9.
    "dipy_syn_cc": OtherMethod(
        "dipy SyN-CC", packages.dipy_syn_cc, "dipy", {"radius": 4, "level_iters": [100, 100, 25]}
    ),
    # The default grid of every 6th voxel is made for bodies and has 6 points along a region: Dice 0.804, with 3 0.806.
    "convex_adam": OtherMethod("convexAdam", packages.convex_adam, "convexAdam", {"grid_sp": 3, "disp_hw": 4}),
    "convex_adam_default": OtherMethod("convexAdam, its defaults", packages.convex_adam, "convexAdam"),
    # By default it stops after 10 iterations, at Dice 0.611, and with a sigma of 1.0; with 100, 0.770; with 1.5, 0.780.
    "sitk_demons": OtherMethod(
        "SimpleITK demons",
        sitk_demons.fast_symmetric_demons,
        "SimpleITK",
        {"num_iterations": 100, "sigma_voxels": 1.5},
    ),
    # SimpleITK has no default for levels.
    "sitk_affine_demons": OtherMethod(
        "SimpleITK affine + diffeomorphic demons",
        sitk_demons.affine_diffeomorphic_demons,
        "SimpleITK",
        {"shrink_factors": [4, 2, 1], "num_iterations": [100, 60, 30], "sigma_voxels": 1.5},
    ),
}


class OtherTool:
    """A method of a package as a :class:`~.own_process.Tool`.

    Args:
        name: key of ``METHODS``.

    Example:
        >>> OtherTool("initial").settings
        {'tool': 'initial'}
    """

    def __init__(self, name: str) -> None:
        self.method, self.costs = METHODS[name], Costs()
        self.settings = {**self.method.settings, "tool": name}
        if self.method.package:
            import_module(self.method.module)  # now, so that loading is in nobody's seconds
            self.settings["package"] = f"{self.method.package} {version(self.method.package)}"

    def __call__(self, images: ImagePair) -> MetaTensor:
        """Field on the grid of the pair, (3, X, Y, Z), RAS mm."""
        fixed, moving = (volume.numpy() for volume in images.arrays())
        with self.costs:
            ddf = self.method.function(fixed, moving, **self.method.settings)
        return images.field_of(torch.as_tensor(np.array(ddf, dtype=np.float32)).movedim(-1, 0))
