"""Registration tools under one signature: a pair of cubes to the ddf between them.

Functions take ``fixed`` and ``moving``, (X, Y, Z) float32 arrays of 1 mm voxels, and return the ddf, (X, Y, Z, 3)
voxels: warped(x) = moving(x + ddf(x)). Settings are a tool's defaults or the constants below, made for a small region.
The packages come with the extra ``compare``; each is imported when it is used.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

DEMONS_ITERATIONS = 100
DEMONS_SIGMA_VOXELS = 1.5
SYN_CC_RADIUS = 2
SYN_CC_ITERATIONS = (10, 10, 5)
CONVEX_ADAM_GRID_SPACING = 3
CONVEX_ADAM_RADIUS = 4


def initial(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """No registration: the centers of the images correspond.

    Example:
        >>> initial(np.zeros((4, 4, 4)), np.zeros((4, 4, 4))).shape
        (4, 4, 4, 3)
    """
    return np.zeros((*fixed.shape, 3), dtype=np.float32)


def ants_syn(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """ANTs through antspyx: affine, then SyN, with mutual information; the defaults of ``ants.registration``."""
    import ants

    images = [ants.from_numpy(np.ascontiguousarray(x, dtype=np.float32)) for x in (fixed, moving)]
    with tempfile.TemporaryDirectory() as folder:
        result = ants.registration(*images, type_of_transform="SyN", outprefix=f"{folder}/syn", random_seed=1)
        path = ants.apply_transforms(*images, result["fwdtransforms"], compose=f"{folder}/total")
        field = ants.image_read(str(Path(path))).numpy()
    return field.reshape(*fixed.shape, 3)


def dipy_syn_cc(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """dipy's symmetric diffeomorphic registration with local cross-correlation, in windows below its default of 4."""
    from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
    from dipy.align.metrics import CCMetric

    solver = SymmetricDiffeomorphicRegistration(CCMetric(3, radius=SYN_CC_RADIUS), level_iters=list(SYN_CC_ITERATIONS))
    return np.asarray(solver.optimize(fixed, moving).get_forward_field())


def sitk_demons(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """SimpleITK's fast symmetric forces demons after histogram matching."""
    import SimpleITK as sitk  # noqa: N813

    images = [sitk.GetImageFromArray(np.ascontiguousarray(x.T, dtype=np.float32)) for x in (fixed, moving)]
    images[1] = sitk.HistogramMatching(images[1], images[0], 256, 10, True)
    solver = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    solver.SetNumberOfIterations(DEMONS_ITERATIONS)
    solver.SetStandardDeviations(DEMONS_SIGMA_VOXELS)
    return sitk.GetArrayFromImage(solver.Execute(*images)).transpose(2, 1, 0, 3)


def convex_adam(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """convexAdam with MIND features; the grid of its coupled convex step is made finer, to suit a small region."""
    import torch
    from convexAdam.convex_adam_MIND import convex_adam_pt

    return convex_adam_pt(
        fixed, moving, grid_sp=CONVEX_ADAM_GRID_SPACING, disp_hw=CONVEX_ADAM_RADIUS, dtype=torch.float32
    )


TOOLS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "initial": initial,
    "ants_syn": ants_syn,
    "dipy_syn_cc": dipy_syn_cc,
    "convex_adam": convex_adam,
    "sitk_demons": sitk_demons,
}
PACKAGES = {"ants_syn": "antspyx", "dipy_syn_cc": "dipy", "convex_adam": "convexAdam", "sitk_demons": "SimpleITK"}
