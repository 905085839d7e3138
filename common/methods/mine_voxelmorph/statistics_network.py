"""The statistics network of neural mutual information: a small perceptron on pairs of intensities."""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

CHUNK = {"cpu": 2**13, "cuda": 2**21}  # voxels worked on at once: their features stay in a CPU's cache


class StatisticsNetwork(nn.Module):
    """F(a, b) = w₂ · relu(W₁ (a, b) + b₁) + b₂, one number per pair of intensities.

    These are the paper's two layers of 1×1×1 convolutions, 2 → L → 1, written for lists of voxels. Features of a voxel
    are never stored: the backward pass computes them again, chunk by chunk, so memory grows with the number of voxels
    and not with L times it. There is no second derivative.

    Args:
        num_features: L; the paper uses 30.

    Raises:
        ValueError: for less than one feature.

    Example:
        >>> sum(parameter.numel() for parameter in StatisticsNetwork().parameters())
        121
        >>> StatisticsNetwork()(torch.rand(1, 1, 4, 4, 4), torch.rand(1, 1, 4, 4, 4)).shape
        torch.Size([1, 64])

    Reference:
        Snaauw et al., EMBC 2022, section II-B; the activation is not stated there.
    """

    def __init__(self, num_features: int = 30) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"num_features: expected at least 1, got {num_features}")
        self.features, self.output = nn.Linear(2, num_features), nn.Linear(num_features, 1)
        for layer in (self.features, self.output):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(self.output.bias)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Statistic of every pair of voxels at the same place.

        Args:
            first: a, (B, *any), in [0, 1] when trained as in the bundle.
            second: b, of the same shape.

        Returns:
            (B, voxels), float32 (float64 for float64 parameters), under autocast too.
        """
        weights = (self.features.weight, self.features.bias, self.output.weight, self.output.bias)
        dtype = self.features.weight.dtype
        values = _Perceptron.apply(first.to(dtype).flatten(), second.to(dtype).flatten(), *weights)
        return values.view(len(first), -1)


class _Perceptron(torch.autograd.Function):
    @staticmethod
    def forward(ctx, first, second, weight, bias, out_weight, out_bias):
        ctx.save_for_backward(first, second, weight, bias, out_weight)
        values = torch.empty_like(first)
        with torch.autocast(first.device.type, enabled=False):
            for part in _chunks(first):
                values[part] = (out_weight @ _features(first[part], second[part], weight, bias))[0]
        return values.add_(out_bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        first, second, weight, bias, out_weight = ctx.saved_tensors
        sides = [torch.empty_like(x) if ctx.needs_input_grad[k] else None for k, x in enumerate((first, second))]
        sums = [torch.zeros_like(x) for x in (weight, bias, out_weight)]
        with torch.autocast(first.device.type, enabled=False):
            for part in _chunks(first):
                # y = w₂ relu(z), z = W₁ x + b₁: ∂y/∂w₂ = relu(z), ∂y/∂z = w₂ [z > 0], ∂z/∂W₁ = x, ∂z/∂x = W₁
                features = _features(first[part], second[part], weight, bias)
                sums[2] += (features @ gradient[part])[None]
                slope = (features > 0) * out_weight.T * gradient[part]
                sums[0] += torch.stack([slope @ first[part], slope @ second[part]], dim=1)
                sums[1] += slope.sum(dim=1)
                for axis, side in enumerate(sides):
                    if side is not None:
                        side[part] = weight[:, axis] @ slope
        return *sides, *sums, gradient.sum()[None]


def _features(first: torch.Tensor, second: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """relu(W₁ (a, b) + b₁), (L, voxels)."""
    return torch.addmm(bias[:, None], weight, torch.stack([first, second])).relu_()


def _chunks(voxels: torch.Tensor) -> list[slice]:
    size = CHUNK.get(voxels.device.type, CHUNK["cuda"])
    return [slice(start, start + size) for start in range(0, len(voxels), size)]
