"""Registration tools under one signature: a pair of cubes to the ddf between them.

Functions take ``fixed`` and ``moving``, (X, Y, Z) float32 arrays of 1 mm voxels, and return the ddf, (X, Y, Z, 3)
voxels: warped(x) = moving(x + ddf(x)). The packages come with the extra ``compare``; each is imported when it is used.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

# What is not named here is the tool's default. Dice in the reasons is that of one tune pair of the hippocampus set.
SETTINGS: dict[str, dict[str, Any]] = {
    "initial": {},
    "ants_syn": {
        "type_of_transform": "SyN",
        "random_seed": 1,
    },  # default: affine, then SyN with 40, 20 and 0 iterations, none at full resolution; the seed makes it repeatable
    # Iterations at full resolution too: Dice 0.686 instead of 0.666 on six tune pairs, in six times the time.
    "ants_syn_full": {"type_of_transform": "SyN", "random_seed": 1, "reg_iterations": [100, 70, 50]},
    # The defaults: the coarsest of three levels has 16 voxels per axis, of which windows of radius 4 take 9.
    "dipy_syn_cc": {"radius": 4, "level_iters": [100, 100, 25]},
    # The default grid of every 6th voxel is made for bodies and has 6 points along a region: Dice 0.804, with 3 0.806.
    "convex_adam": {"grid_sp": 3, "disp_hw": 4},
    # By default it stops after 10 iterations, at Dice 0.611, and with a sigma of 1.0; with 100, 0.770; with 1.5, 0.780.
    "sitk_demons": {"num_iterations": 100, "sigma_voxels": 1.5},
}
PACKAGES = {
    "ants_syn": "antspyx",
    "ants_syn_full": "antspyx",
    "dipy_syn_cc": "dipy",
    "convex_adam": "convexAdam",
    "sitk_demons": "SimpleITK",
}
TITLES = {
    "initial": "before",
    "ants_syn": "ANTs affine + SyN",
    "ants_syn_full": "ANTs affine + SyN, also at full resolution",
    "dipy_syn_cc": "dipy SyN-CC",
    "convex_adam": "convexAdam",
    "sitk_demons": "SimpleITK demons",
}


def initial(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """No registration: the centers of the images correspond.

    Example:
        >>> initial(np.zeros((4, 4, 4)), np.zeros((4, 4, 4))).shape
        (4, 4, 4, 3)
    """
    return np.zeros((*fixed.shape, 3), dtype=np.float32)


def ants_syn(fixed: np.ndarray, moving: np.ndarray, tool: str = "ants_syn") -> np.ndarray:
    """ANTs through antspyx: affine, then SyN, with mutual information; `tool` is the entry of the settings."""
    import ants

    images = [ants.from_numpy(np.ascontiguousarray(x, dtype=np.float32)) for x in (fixed, moving)]
    with tempfile.TemporaryDirectory() as folder:
        result = ants.registration(*images, outprefix=f"{folder}/syn", **SETTINGS[tool])
        path = ants.apply_transforms(*images, result["fwdtransforms"], compose=f"{folder}/total")
        field = ants.image_read(str(Path(path))).numpy()
    return field.reshape(*fixed.shape, 3)


def dipy_syn_cc(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """dipy's symmetric diffeomorphic registration with local cross-correlation."""
    from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
    from dipy.align.metrics import CCMetric

    settings = SETTINGS["dipy_syn_cc"]
    metric = CCMetric(3, radius=settings["radius"])
    solver = SymmetricDiffeomorphicRegistration(metric, level_iters=list(settings["level_iters"]))
    return np.asarray(solver.optimize(fixed, moving).get_forward_field())


def sitk_demons(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """SimpleITK's fast symmetric forces demons after histogram matching."""
    import SimpleITK as sitk  # noqa: N813

    images = [sitk.GetImageFromArray(np.ascontiguousarray(x.T, dtype=np.float32)) for x in (fixed, moving)]
    images[1] = sitk.HistogramMatching(images[1], images[0], 256, 10, True)
    solver = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    solver.SetNumberOfIterations(SETTINGS["sitk_demons"]["num_iterations"])
    solver.SetStandardDeviations(SETTINGS["sitk_demons"]["sigma_voxels"])
    return sitk.GetArrayFromImage(solver.Execute(*images)).transpose(2, 1, 0, 3)


def convex_adam(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """convexAdam with MIND features."""
    import torch
    from convexAdam.convex_adam_MIND import convex_adam_pt

    return convex_adam_pt(fixed, moving, dtype=torch.float32, **SETTINGS["convex_adam"])


TOOLS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "initial": initial,
    "ants_syn": ants_syn,
    "ants_syn_full": partial(ants_syn, tool="ants_syn_full"),
    "dipy_syn_cc": dipy_syn_cc,
    "convex_adam": convex_adam,
    "sitk_demons": sitk_demons,
}


def tool_settings(tool: str) -> dict[str, Any]:
    """What determines the results of a tool: its settings and the version of its package.

    Example:
        >>> tool_settings("initial")
        {}
    """
    package = PACKAGES.get(tool)
    return dict(SETTINGS[tool]) | ({"package": f"{package} {version(package)}"} if package else {})
