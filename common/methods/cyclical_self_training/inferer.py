"""The coupled convex registration with its refinements: consistency, further warps, Adam on features or images."""

from typing import Any

import torch
from monai.inferers import Inferer

from ...fields.ddf import compose, warp
from ...precision import bfloat16_autocast
from ...solvers.image_refinement import ImageRefinement
from ...words import one_of
from .consistency import make_consistent
from .feature_refinement import AdamSettings, refine_by_adam
from .network import ConvexRegistration

COMPOSITIONS = ("exact", "released")
INTERPOLATIONS = ("bilinear", "nearest")


class RefinedInferer(Inferer):
    """Registers a pair, warps the moving image and registers the rest, then refines the field on fine features.

    With φ₀ = id + u₀ of the first solve and id + u₁ that of (fixed, moving ∘ φ₀), the field of two warps is
    φ₀ ∘ (id + u₁), that is u(x) = u₁(x) + u₀(x + u₁(x)). Each solve is made
    consistent with the one from moving to fixed.

    Args:
        num_warps: solves per pair, ≥ 1; paper: 2.
        num_consistency_iterations: 0 leaves the backward solve out; authors' code: 15.
        adam: refinement on fine features; regularization in the authors' code 0.65 · 1 for pseudo labels and 0.65 · 10
            at test time; None leaves it out.
        refinement: a last one, on the images; None leaves it out, as in the paper.
        composition: "exact" as above; "released" u₀(x) + u₁(x + u₀(x)), which is φ₁ ∘ φ₀, as in the authors' code.
        seed: of the projection.
        amp: features in bfloat16, where the device multiplies it; the solvers always work in float32.
        interpolation: of the moving image before the next solve, "bilinear" (trilinear) or "nearest", as in the
            authors' code.

    Raises:
        ValueError: for fewer than one warp, or an unknown composition or interpolation.

    Reference:
        Bigalke et al., MICCAI 2023, section 2.3.1.
    """

    def __init__(
        self,
        num_warps: int = 2,
        num_consistency_iterations: int = 15,
        adam: AdamSettings | None = None,
        refinement: ImageRefinement | None = None,
        composition: str = "exact",
        seed: int = 0,
        amp: bool = False,
        interpolation: str = "bilinear",
    ) -> None:
        super().__init__()
        self.interpolation = one_of("interpolation", interpolation, INTERPOLATIONS)
        if num_warps < 1 or composition not in COMPOSITIONS:
            raise ValueError(
                f"expected num_warps ≥ 1 and a composition of {', '.join(COMPOSITIONS)}, "
                f"got {num_warps} and {composition!r}"
            )
        self.num_warps, self.num_consistency_iterations = num_warps, num_consistency_iterations
        self.composition, self.seed, self.amp = composition, seed, amp
        self.adam, self.refinement = adam, refinement

    def __call__(self, inputs: torch.Tensor, network: ConvexRegistration, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Field of pairs (B, 2, *spatial), fixed first: (B, 3, *spatial), voxels."""
        return self.solve(inputs, network, torch.Generator().manual_seed(self.seed))[1]

    def solve(
        self, inputs: torch.Tensor, network: ConvexRegistration, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Fields before and after both refinements, (B, 3, *spatial) each, voxels."""
        network = getattr(network, "module", network)
        fixed, moving = inputs[:, :1], inputs[:, 1:]
        fine_fixed, coarse_fixed = self._features(network, fixed)
        fine_moving, coarse_moving = self._features(network, moving)
        ddf = self._match(network, coarse_fixed, coarse_moving, list(inputs.shape[2:]))
        for _ in range(self.num_warps - 1):
            _, coarse_warped = self._features(network, warp(moving, ddf, self.interpolation))
            rest = self._match(network, coarse_fixed, coarse_warped, list(inputs.shape[2:]))
            ddf = compose(ddf, rest) if self.composition == "exact" else compose(rest, ddf)
        refined = ddf
        if self.adam is not None:
            place = network.fine_stride, network.fine_offset
            refined = refine_by_adam(ddf, fine_fixed, fine_moving, *place, self.adam, generator)
        return ddf, refined if self.refinement is None else self.refinement(refined, inputs)

    def _features(self, network: ConvexRegistration, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with bfloat16_autocast(image.device.type, self.amp):
            fine, coarse = network.features(image.contiguous(memory_format=torch.channels_last_3d))
        return fine.float(), coarse.float()

    def _match(
        self, network: ConvexRegistration, fixed: torch.Tensor, moving: torch.Tensor, shape: list[int]
    ) -> torch.Tensor:
        field = network.match(fixed, moving)
        if self.num_consistency_iterations:
            field, _ = make_consistent(field, network.match(moving, fixed), self.num_consistency_iterations)
        return network.to_voxels(field, shape, 1)
