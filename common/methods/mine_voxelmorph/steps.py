"""Joint training of a network of velocities and of the statistics network that judges the alignment."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...distributed import average_gradients
from ...fields.ddf import warp
from ...precision import bfloat16_autocast, multiplies_bfloat16
from ...randomness import sample_seed
from .network import VoxelMorphDiff, sample_velocity
from .velocity_prior import velocity_prior

MIN_AMP_SIZE = 48  # on 2³ voxels, 1/16 of 32, torch 2.13's bfloat16 gradient of a convolution's weights is NaN on CPUs


class PosteriorRegistrationSteps:
    """One iteration of the method, usable as the step of a :class:`~common.training.trainer.StepTrainer`.

    θ*, ψ* = argmin α · D_θ(m ∘ φ_z, f) + R(z), with z drawn from the posterior that the network ψ predicts,
    φ_z = exp(z), R its divergence from a smooth prior, and D_θ the image term, −I for neural mutual information. All
    weights take one step of one optimizer. Noise and shuffles of a sample follow from (seed, epoch, index), so they are
    the same after a resume and in however many processes.

    Args:
        network: ψ.
        similarity: D_θ of :func:`~common.methods.mine_voxelmorph.image_term.image_similarity`; holds θ.
        optimizer: of both, see :func:`joint_adam`.
        alpha: α ≥ 0.
        prior_weight: λ, see :func:`~common.methods.mine_voxelmorph.velocity_prior.velocity_prior`.
        amp: run the network in bfloat16, where the device multiplies it; fields, warps and losses stay in float32.
        max_gradient_norm: longer gradients are shortened to it; 0 leaves them. Rates well above the paper's need it:
            the log-variance soon overshoots, and one huge gradient then slows Adam down for a thousand steps.
        seed: of noise and shuffles.

    Raises:
        ValueError: for a negative α; when called, for small images under ``amp`` on a CPU.

    Reference:
        Snaauw et al., EMBC 2022, equation 3.
    """

    def __init__(
        self,
        network: VoxelMorphDiff,
        similarity: nn.Module,
        optimizer: torch.optim.Optimizer,
        alpha: float = 1.0,
        prior_weight: float = 10.0,
        amp: bool = False,
        max_gradient_norm: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.loss = PosteriorLoss(similarity, alpha, prior_weight)
        self.network, self.optimizer, self.seed = network, optimizer, seed
        self.amp, self.max_gradient_norm = amp, max_gradient_norm

    def __call__(self, engine: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Take the step on ``image`` (B, 2, *spatial) and ``draw`` (B, 2); returns the terms of the loss."""
        self.network.train()
        image = torch.as_tensor(batch["image"]).to(next(self.network.parameters()).device)
        on_cpu = image.device.type == "cpu"
        if self.amp and on_cpu and min(image.shape[2:]) < MIN_AMP_SIZE and multiplies_bfloat16("cpu"):
            raise ValueError(
                f"amp: expected at least {MIN_AMP_SIZE} voxels per axis on a CPU, got {list(image.shape[2:])}"
            )
        seeds = [sample_seed(self.seed + 1, *draw) for draw in batch["draw"].tolist()]
        generators = [torch.Generator(image.device).manual_seed(seed) for seed in seeds]
        with bfloat16_autocast(image.device.type, self.amp):
            mean, log_variance = self.network.posterior(image)
        ddf = self.network.displacement(sample_velocity(mean, log_variance, generators))
        losses = self.loss(image, ddf, mean, log_variance, generators)
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        average_gradients([p.grad for p in parameters if p.grad is not None])
        if self.max_gradient_norm:
            torch.nn.utils.clip_grad_norm_(parameters, self.max_gradient_norm)
        self.optimizer.step()
        return {name: value.detach() for name, value in losses.items()}


class PosteriorLoss(nn.Module):
    """Terms of equation 3.

    Args:
        similarity: see :class:`PosteriorRegistrationSteps`.
        alpha: α ≥ 0.
        prior_weight: λ ≥ 0.
    """

    def __init__(self, similarity: nn.Module, alpha: float = 1.0, prior_weight: float = 10.0) -> None:
        super().__init__()
        if alpha < 0:
            raise ValueError(f"alpha: expected a weight ≥ 0, got {alpha}")
        self.similarity, self.alpha, self.prior_weight = similarity, alpha, prior_weight

    def forward(self, image, ddf, mean, log_variance, generators=None) -> dict[str, torch.Tensor]:
        """``loss`` = α · ``image_loss`` + ``prior_loss``, scalars."""
        fixed, moving = image[:, :1].float(), image[:, 1:].float()
        image_loss = self.similarity(warp(moving, ddf), fixed, generators)
        prior_loss = velocity_prior(mean, log_variance, self.prior_weight)
        return {"loss": self.alpha * image_loss + prior_loss, "image_loss": image_loss, "prior_loss": prior_loss}


def joint_adam(
    network: nn.Module,
    similarity: nn.Module,
    learning_rate: float = 1e-4,
    statistics_learning_rate: float = 1e-4,
    beta1: float = 0.99,
) -> torch.optim.Adam:
    """One Adam for both networks; the paper's rate is 1e-4 for all, its β₁ 0.99, β₂ 0.999.

    Args:
        network: ψ.
        similarity: θ, possibly without weights.
        learning_rate: of ψ.
        statistics_learning_rate: of θ.
        beta1: decay of the mean gradient.

    Returns:
        The optimizer, with a second group where the similarity has weights.
    """
    groups = [{"params": list(network.parameters()), "lr": learning_rate}]
    statistics = list(similarity.parameters())
    if statistics:
        groups.append({"params": statistics, "lr": statistics_learning_rate})
    return torch.optim.Adam(groups, betas=(beta1, 0.999))
