"""Registration packages of others under one signature: two arrays of one shape to the ddf between them.

Functions take ``fixed`` and ``moving``, (X, Y, Z) float32 arrays of 1 mm voxels, then settings of the package, and
return the ddf, (X, Y, Z, 3) voxels: warped(x) = moving(x + ddf(x)). The packages come with the extra ``compare``; each
is imported when it is used.
"""

import tempfile
from typing import Any

import numpy as np
import torch

from .sitk_arrays import sitk_ddf, sitk_images


def initial(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """No registration: the centers of the images correspond.

    Example:
        >>> initial(np.zeros((4, 4, 4)), np.zeros((4, 4, 4))).shape
        (4, 4, 4, 3)
    """
    return np.zeros((*fixed.shape, 3), dtype=np.float32)


def ants_syn(fixed: np.ndarray, moving: np.ndarray, **settings: Any) -> np.ndarray:
    """ANTs through antspyx: affine by mutual information, then SyN."""
    import ants

    images = [ants.from_numpy(np.ascontiguousarray(x, dtype=np.float32)) for x in (fixed, moving)]
    with tempfile.TemporaryDirectory() as folder:
        result = ants.registration(*images, outprefix=f"{folder}/syn", **settings)
        path = ants.apply_transforms(*images, result["fwdtransforms"], compose=f"{folder}/total")
        field = ants.image_read(str(path)).numpy()
    return field.reshape(*fixed.shape, 3)


def greedy(fixed: np.ndarray, moving: np.ndarray, metric: str, iterations: str) -> np.ndarray:
    """Greedy through picsl-greedy: affine, then its diffeomorphic registration."""
    from picsl_greedy import Greedy3D

    options = f"-m {metric} -n {iterations} -i fixed moving -V 0"
    images = dict(zip(("fixed", "moving"), sitk_images(fixed, moving), strict=True))
    solver = Greedy3D()
    solver.execute(f"-a {options} -ia-image-centers -o affine", **images, affine=None)
    solver.execute(f"{options} -it affine -o warp", warp=None)
    solver.execute("-rf fixed -r warp affine -rc total -V 0", total=None)
    return sitk_ddf(solver["total"])


def dipy_syn_cc(fixed: np.ndarray, moving: np.ndarray, radius: int, level_iters: list[int]) -> np.ndarray:
    """dipy's symmetric diffeomorphic registration with local cross-correlation."""
    from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
    from dipy.align.metrics import CCMetric

    solver = SymmetricDiffeomorphicRegistration(CCMetric(3, radius=radius), level_iters=list(level_iters))
    return np.asarray(solver.optimize(fixed, moving).get_forward_field())


def convex_adam(fixed: np.ndarray, moving: np.ndarray, **settings: Any) -> np.ndarray:
    """convexAdam with MIND features."""
    from convexAdam.convex_adam_MIND import convex_adam_pt

    return convex_adam_pt(fixed, moving, dtype=torch.float32, **settings)
