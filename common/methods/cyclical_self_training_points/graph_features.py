"""Graph network that describes each point of a cloud by the geometry around it."""

import torch
from torch import nn
from torch.nn import functional


def nearest_neighbors(queries: torch.Tensor, points: torch.Tensor, num_neighbors: int) -> torch.Tensor:
    """Indices of the nearest points of every query, nearest first.

    Args:
        queries: (N, 3).
        points: (M, 3), in the frame of ``queries``.
        num_neighbors: k; where there are fewer points, all of them.

    Returns:
        (N, min(k, M)), int64.

    Example:
        >>> nearest_neighbors(torch.zeros(1, 3), torch.tensor([[2.0, 0, 0], [1.0, 0, 0]]), 1).tolist()
        [[1]]
    """
    distances = torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.topk(min(num_neighbors, points.shape[0]), dim=1, largest=False).indices


def rows_of(values: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """values[indices], (N, C) and (M, k) → (M, k, C).

    The gradient of plain indexing is summed in any order when several threads work on it; this one never is, so the
    same seed gives the same weights.

    Example:
        >>> rows_of(torch.tensor([[1.0], [2.0]]), torch.tensor([[1, 1, 0]])).tolist()
        [[[2.0], [2.0], [1.0]]]
    """
    return values.index_select(0, indices.flatten()).view(indices.shape[0], indices.shape[1], values.shape[1])


class EdgeConvolution(nn.Module):
    """EdgeConv: f_i' = max_{j ∈ N(i)} g(f_j − f_i, f_i), g three point-wise layers.

    Each layer is a matrix without bias, instance normalization over all edges, and a leaky ReLU. Two identities
    save most of the work on edges: A (f_j − f_i) + B f_i = A f_j + (B − A) f_i is computed on points, and the last
    normalization and leaky ReLU, which keep the order of numbers, come after the maximum.

    Args:
        num_in: channels of f.
        num_out: channels of f'.

    Example:
        >>> edges = EdgeConvolution(3, 32)
        >>> edges(torch.rand(20, 3), torch.randint(20, (20, 5))).shape
        torch.Size([20, 32])

    Reference: Wang et al., Dynamic graph CNN for learning on point clouds, eq. 7; layer sizes as in Hansen &
        Heinrich, IPMI 2021.
    """

    def __init__(self, num_in: int, num_out: int):
        super().__init__()
        self.num_in = num_in
        self.layer1 = nn.Linear(2 * num_in, num_out, bias=False)
        self.layer2 = nn.Linear(num_out, num_out, bias=False)
        self.layer3 = nn.Linear(num_out, num_out, bias=False)

    def forward(self, features: torch.Tensor, neighbors: torch.Tensor) -> torch.Tensor:
        """Features (N, C) and neighbors (N, k) → features (N, C')."""
        difference, center = self.layer1.weight[:, : self.num_in], self.layer1.weight[:, self.num_in :]
        at_neighbors = rows_of(functional.linear(features, difference), neighbors)
        edges = at_neighbors + functional.linear(features, center - difference).unsqueeze(1)
        edges = self.layer3(normalized(self.layer2(normalized(edges.flatten(0, 1)))))
        mean = edges.mean(0)
        deviation = (edges - mean).square().mean(0).add(1e-5).sqrt()
        largest = edges.view(neighbors.shape[0], neighbors.shape[1], -1).amax(1)
        return functional.leaky_relu((largest - mean) / deviation)


def normalized(features: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of channels brought to mean 0 and variance 1: (E, C) → (E, C); slope 0.01, ε = 1e-5."""
    return functional.leaky_relu(functional.batch_norm(features, None, None, training=True))


class GraphFeatures(nn.Module):
    """Graph network of 26,880 parameters: three edge convolutions 3 → 32 → 32 → 64 and two point-wise layers.

    The graph joins each point with its k nearest, itself included, and stays the same in all layers.

    Args:
        num_channels: features per point, C.

    Example:
        >>> sum(parameter.numel() for parameter in GraphFeatures().parameters())
        26880
        >>> GraphFeatures()(torch.rand(50, 3), 10).shape
        torch.Size([50, 64])

    Reference: Bigalke et al., MICCAI 2023, section 2.3, after Hansen & Heinrich, IPMI 2021.
    """

    def __init__(self, num_channels: int = 64):
        super().__init__()
        self.edge1 = EdgeConvolution(3, 32)
        self.edge2 = EdgeConvolution(32, 32)
        self.edge3 = EdgeConvolution(32, 64)
        self.head = nn.Sequential(
            nn.Conv1d(64, 64, 1, bias=False), nn.InstanceNorm1d(64), nn.Conv1d(64, num_channels, 1)
        )

    def forward(self, points: torch.Tensor, num_neighbors: int) -> torch.Tensor:
        """Points (N, 3), in [−1, 1] → features (N, C)."""
        neighbors = nearest_neighbors(points, points, num_neighbors)
        features = self.edge1(points, neighbors)
        features = self.edge2(features, neighbors)
        features = self.edge3(features, neighbors)
        return self.head(features.T.unsqueeze(0))[0].T
