"""What the features learn from a pair with a known field."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from ...fields.ddf import compose
from ...randomness import sample_seed
from .contrastive import local_contrast
from .motion import disagreement, greedy_force, solver_state

SHIFT_NODES = 4  # along each axis, between which the shift is interpolated from which the solver starts


class Pair(NamedTuple):
    """Features of a fixed and a moving image, (2, C, *spatial) and (2, C, *nodes), and what is known of the two.

    ``network`` made the features; ``ddf`` is (1, 3, *spatial), voxels, ``valid`` (1, 1, *spatial), bool, where the loss
    counts.
    """

    network: nn.Module
    full: torch.Tensor
    half: torch.Tensor
    ddf: torch.Tensor
    valid: torch.Tensor

    def on_nodes(self, volume: torch.Tensor) -> torch.Tensor:
        """Values (1, C, *spatial) at the nodes of half resolution, (1, C, *nodes)."""
        stride = self.network.stride
        return volume[..., ::stride, ::stride, ::stride]


class AnyContrastLoss:
    """Weighted sum of four terms on the features of a fixed and a moving image under a known field u.

    - ``full``, ``half``: :func:`~.contrastive.local_contrast` at random places of each resolution.
    - ``motion``: :func:`~.motion.disagreement` of the greedy solver's force with the way to u, from where the solver
      stands some steps after a random smooth shift s of the right field: what it still lacks is what is learned.
    - ``solver``: ‖u' − u‖, voxels, with the network's own field u' at half resolution, where its search reaches u.

    Args:
        contrast_weight: of ``full`` and ``half``.
        motion_weight: of ``motion``.
        solver_weight: of ``solver``.
        num_places: at full resolution; half as many at half resolution.
        temperature: of both contrasts.
        shift_voxels: largest standard deviation of the values that s interpolates; each draw has its own.
        max_steps: of the greedy solver before its force is asked; each draw has its own number.
        seed: of places and shifts.

    Raises:
        ValueError: for a negative weight, or none above 0.
    """

    def __init__(
        self,
        contrast_weight: float = 0.3,
        motion_weight: float = 3.0,
        solver_weight: float = 0.0,
        num_places: int = 1024,
        temperature: float = 0.05,
        shift_voxels: float = 1.5,
        max_steps: int = 10,
        seed: int = 0,
    ) -> None:
        weights = {"full": contrast_weight, "half": contrast_weight, "motion": motion_weight, "solver": solver_weight}
        if min(weights.values()) < 0 or max(weights.values()) == 0:
            raise ValueError(f"loss: expected weights ≥ 0 and one above 0, got {weights}")
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.num_places, self.temperature, self.seed = num_places, temperature, seed
        self.shift_voxels, self.max_steps = shift_voxels, max_steps

    def __call__(self, network: nn.Module, sample: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """``loss`` and its terms, scalars: means over a batch.

        Args:
            network: has ``features``, ``match``, ``radius`` and ``stride`` of
                :class:`~common.methods.cyclical_self_training.network.ConvexRegistration`.
            sample: ``image`` (B, 2, *spatial), ``ddf`` (B, 3, *spatial), ``valid`` (B, 1, *spatial) and ``draw``
                (B, 2), epoch and index, from which the randomness follows.
        """
        device = next(network.parameters()).device
        image, ddf, valid = (torch.as_tensor(sample[name]).to(device) for name in ("image", "ddf", "valid"))
        size = len(image)
        full, half = network.features(torch.cat([image[:, :1], image[:, 1:]]))
        totals = dict.fromkeys(self.weights, image.new_zeros(()))
        for k, draw in enumerate(sample["draw"].tolist()):
            generator = torch.Generator().manual_seed(sample_seed(self.seed + 1, *draw))
            pair = Pair(network, full[k::size], half[k::size], ddf[k : k + 1], valid[k : k + 1] > 0)
            for name in totals:
                totals[name] = totals[name] + getattr(self, name)(pair, generator) / size
        return {"loss": sum(self.weights[name] * value for name, value in totals.items()), **totals}

    def full(self, pair: Pair, generator: torch.Generator) -> torch.Tensor:
        """Local contrast at full resolution."""
        return self._contrast(pair.full, pair.ddf, pair.valid, self.num_places, generator)

    def half(self, pair: Pair, generator: torch.Generator) -> torch.Tensor:
        """Local contrast at half resolution."""
        ddf, valid = pair.on_nodes(pair.ddf) / pair.network.stride, pair.on_nodes(pair.valid)
        return self._contrast(pair.half, ddf, valid, self.num_places // 2, generator)

    def motion(self, pair: Pair, generator: torch.Generator) -> torch.Tensor:
        """Disagreement of the greedy solver's force, some steps after a random shift, with the way that is left."""
        strength = self.shift_voxels * torch.rand((), generator=generator)
        nodes = strength * torch.randn(1, 3, *[SHIFT_NODES] * 3, generator=generator)
        shift = F.interpolate(nodes.to(pair.ddf), pair.ddf.shape[2:], mode="trilinear", align_corners=True)
        num_steps = int(torch.randint(self.max_steps + 1, (), generator=generator))
        ddf = solver_state(pair.full, compose(pair.ddf, shift), num_steps)
        return disagreement(greedy_force(pair.full, ddf), pair.ddf - ddf, pair.valid)

    def solver(self, pair: Pair, generator: torch.Generator) -> torch.Tensor:
        """Distance of the network's field from the right one, where its search reaches that, voxels."""
        right = pair.on_nodes(pair.ddf)
        found = pair.network.stride * pair.network.match(*pair.half.split(1))
        reached = right.abs().amax(1, keepdim=True) <= pair.network.stride * pair.network.radius
        return mean_length(found - right, pair.on_nodes(pair.valid) & reached)

    def _contrast(self, features, ddf, valid, num_places, generator) -> torch.Tensor:
        known = valid[0, 0].nonzero()
        if not len(known):
            return features.sum() * 0
        places = known[torch.randint(len(known), (num_places,), generator=generator).to(known.device)]
        partners = places + ddf[0][(slice(None), *places.unbind(1))].t()
        shifts = torch.rand(num_places, 3, generator=generator).to(ddf) - 0.5
        return local_contrast(features, places, partners, shifts, self.temperature)


def mean_length(vectors: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Mean of ‖v‖ over the places of a mask, 0 without any.

    Args:
        vectors: v, (B, 3, *spatial).
        inside: (B, 1, *spatial), bool.

    Example:
        >>> mean_length(torch.tensor([3.0, 0.0, 4.0]).view(1, 3, 1, 1, 1), torch.tensor(True)).item()
        5.0...
    """
    # The square root has no gradient at 0.
    lengths = (vectors.square().sum(1, keepdim=True) + 1e-6).sqrt()
    return (lengths * inside).sum() / inside.expand_as(lengths).sum().clamp(min=1)
