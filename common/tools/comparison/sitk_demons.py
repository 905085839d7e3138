"""SimpleITK's demons under the signature of :mod:`.packages`."""

from typing import TYPE_CHECKING

import numpy as np

from .sitk_arrays import sitk_ddf, sitk_images

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813


def fast_symmetric_demons(
    fixed: np.ndarray, moving: np.ndarray, num_iterations: int, sigma_voxels: float
) -> np.ndarray:
    """Fast symmetric forces demons after histogram matching."""
    import SimpleITK as sitk  # noqa: N813

    images = sitk_images(fixed, moving)
    images[1] = sitk.HistogramMatching(images[1], images[0], 256, 10, True)
    solver = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    solver.SetNumberOfIterations(num_iterations)
    solver.SetStandardDeviations(sigma_voxels)
    return sitk_ddf(solver.Execute(*images))


def affine_diffeomorphic_demons(
    fixed: np.ndarray, moving: np.ndarray, shrink_factors: list[int], num_iterations: list[int], sigma_voxels: float
) -> np.ndarray:
    """Diffeomorphic demons, from coarse to fine, after an affine map and histogram matching."""
    import SimpleITK as sitk  # noqa: N813

    images = sitk_images(fixed, moving)
    affine = _affine(*images)
    moved = sitk.HistogramMatching(sitk.Resample(images[1], images[0], affine), images[0], 256, 10, True)
    solver = sitk.DiffeomorphicDemonsRegistrationFilter()
    solver.SetStandardDeviations(sigma_voxels)
    field = None
    for factor, iterations in zip(shrink_factors, num_iterations, strict=True):
        level = [sitk.Shrink(sitk.DiscreteGaussian(x, (factor / 2) ** 2), [factor] * 3) for x in (images[0], moved)]
        solver.SetNumberOfIterations(iterations)
        field = solver.Execute(*level, *([] if field is None else [sitk.Resample(field, level[0])]))
    total = sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])  # the last one acts first
    return sitk_ddf(sitk.TransformToDisplacementField(total, sitk.sitkVectorFloat64, images[0].GetSize()))


def _affine(fixed: "sitk.Image", moving: "sitk.Image") -> "sitk.Transform":
    """Affine map by Mattes' mutual information of a fifth of the voxels, on three levels."""
    import SimpleITK as sitk  # noqa: N813

    solver = sitk.ImageRegistrationMethod()
    solver.SetMetricAsMattesMutualInformation(50)
    solver.SetMetricSamplingStrategy(solver.REGULAR)
    solver.SetMetricSamplingPercentage(0.2)
    solver.SetInterpolator(sitk.sitkLinear)
    solver.SetOptimizerAsRegularStepGradientDescent(learningRate=1.0, minStep=1e-3, numberOfIterations=100)
    solver.SetOptimizerScalesFromPhysicalShift()
    solver.SetShrinkFactorsPerLevel([4, 2, 1])
    solver.SetSmoothingSigmasPerLevel([2, 1, 0])
    start = sitk.AffineTransform(3)
    start.SetCenter([size / 2 for size in fixed.GetSize()])
    solver.SetInitialTransform(start, inPlace=True)
    return solver.Execute(fixed, moving)
