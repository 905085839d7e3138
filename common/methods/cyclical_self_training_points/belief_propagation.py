"""Sparse loopy belief propagation: one displacement per keypoint, chosen jointly on a graph of keypoints.

Reference: Hansen & Heinrich, Deep learning based geometric registration for medical images, IPMI 2021; as the
optimizer of Bigalke et al., MICCAI 2023, section 2.3.
"""

import torch


def symmetric_edges(neighbors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Directed edges of the graph that joins every point with its neighbors, in both directions.

    Args:
        neighbors: (N, k), indices of points; a point's own index is passed over.

    Returns:
        source, target and reverse, (E,) each: edge e leads from source[e] to target[e], and edge reverse[e] back.

    Example:
        >>> source, target, reverse = symmetric_edges(torch.tensor([[1], [2], [1]]))
        >>> source.tolist(), target.tolist(), reverse.tolist()
        ([0, 1, 1, 2], [1, 0, 2, 1], [1, 0, 3, 2])
    """
    num_points = neighbors.shape[0]
    joined = torch.zeros(num_points, num_points, dtype=torch.bool, device=neighbors.device)
    joined.scatter_(1, neighbors, torch.ones_like(neighbors, dtype=torch.bool))
    joined = joined | joined.T
    joined.fill_diagonal_(False)
    edges = joined.nonzero()
    number = torch.zeros(num_points, num_points, dtype=torch.long, device=neighbors.device)
    number[edges[:, 0], edges[:, 1]] = torch.arange(edges.shape[0], device=neighbors.device)
    return edges[:, 0], edges[:, 1], number[edges[:, 1], edges[:, 0]]


def message_minimum(
    costs: torch.Tensor, source: torch.Tensor, target: torch.Tensor, coupling: float, with_index: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """min_a [c(a) + w ‖s(a) − t(b)‖²] for each edge and each b, and where asked for, the a that attains it.

    c + w ‖s − t‖² = w ‖t‖² + (c + w ‖s‖², −2 w s) · (1, t), so each table over (b, a) is one matrix product of
    inner length 4.

    Args:
        costs: c, (E, A).
        source: s, displacements at the source of each edge, (E, A, 3).
        target: t, displacements at its target, (E, B, 3).
        coupling: w ≥ 0.
        with_index: whether to find the minimizing a.

    Returns:
        Minima (E, B), and indices (E, B), meaningless without ``with_index``.

    Example:
        >>> costs, source = torch.zeros(1, 2), torch.tensor([[[0.0, 0, 0], [1.0, 0, 0]]])
        >>> message_minimum(costs, source, torch.tensor([[[3.0, 0, 0]]]), 10.0, True)
        (tensor([[40.]]), tensor([[1]]))
    """
    planes = torch.cat([(costs + coupling * source.square().sum(2)).unsqueeze(2), -2 * coupling * source], 2)
    lifted = torch.cat([torch.ones_like(target[:, :, :1]), target], 2)
    minima = costs.new_empty(target.shape[0], target.shape[1])
    places = torch.zeros_like(minima)
    # Comparing with the minimum and taking the largest of A, A − 1, … is three times as fast as torch.min.
    countdown = torch.arange(costs.shape[1], 0, -1, dtype=costs.dtype, device=costs.device)
    # 16 tables of 256 × 256 are 4 MB: they stay in the cache of a CPU.
    step = 16 if costs.device.type == "cpu" else 256
    for start in range(0, costs.shape[0], step):
        table = lifted[start : start + step] @ planes[start : start + step].transpose(1, 2)
        least = table.amin(2)
        minima[start : start + step] = least
        if with_index:
            places[start : start + step] = table.eq_(least.unsqueeze(2)).mul_(countdown).amax(2)
    indices = costs.shape[1] - places.long()
    return minima + coupling * target.square().sum(2), indices


def propagate_beliefs(
    unary: torch.Tensor,
    displacements: torch.Tensor,
    source: torch.Tensor,
    target: torch.Tensor,
    reverse: torch.Tensor,
    coupling: float = 10.0,
    num_rounds: int = 5,
) -> torch.Tensor:
    """Costs of every candidate after loopy min-sum belief propagation.

    In each round m_{i→j}(b) = min_a [θ_i(a) + Σ_{k→i} m_{k→i}(a) − m_{j→i}(a) + w ‖d_i(a) − d_j(b)‖²], all edges
    at once, from m = 0; at the end the belief is θ_j(b) + Σ_{i→j} m_{i→j}(b). A message is shifted to minimum 0,
    which changes beliefs by a constant per point only.

    Gradients follow the minimizing a of every message.

    Args:
        unary: θ, costs of the candidates, (N, L).
        displacements: d, candidates of each point, (N, L, 3).
        source: edges, (E,), as :func:`symmetric_edges` has them.
        target: (E,).
        reverse: (E,).
        coupling: w.
        num_rounds: rounds of messages. The belief takes the messages of the last one, where the code of the IPMI
            paper takes those before.

    Returns:
        Beliefs (N, L); small is likely.

    Example:
        >>> unary, candidates = torch.tensor([[0.0, 1.0], [0.0, 0.0]]), torch.tensor([[[0.0] * 3, [1.0] * 3]] * 2)
        >>> edges = symmetric_edges(torch.tensor([[1], [0]]))
        >>> propagate_beliefs(unary, candidates, *edges).tolist()
        [[0.0, 1.0], [0.0, 1.0]]
    """
    messages = torch.zeros(source.shape[0], unary.shape[1], dtype=unary.dtype, device=unary.device)
    at_source, at_target = displacements[source], displacements[target]
    with_index = unary.requires_grad
    belief = unary
    for _ in range(num_rounds):
        costs = belief.index_select(0, source) - messages.index_select(0, reverse)
        minima, indices = message_minimum(costs.detach(), at_source, at_target, coupling, with_index)
        if with_index:
            chosen = at_source.gather(1, indices.unsqueeze(2).expand(-1, -1, 3))
            minima = costs.gather(1, indices) + coupling * (chosen - at_target).square().sum(2)
        messages = minima - minima.detach().amin(1, keepdim=True)
        belief = unary.index_add(0, target, messages)
    return belief


def expected_displacement(beliefs: torch.Tensor, displacements: torch.Tensor, sharpness: float = 50.0) -> torch.Tensor:
    """Soft-argmin u_i = Σ_a softmax_a(−λ · belief_i(a)) d_i(a).

    Args:
        beliefs: (N, L).
        displacements: d, (N, L, 3).
        sharpness: λ.

    Returns:
        (N, 3), unit of ``displacements``.

    Example:
        >>> expected_displacement(torch.tensor([[0.0, 9.0]]), torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]]))
        tensor([[1., 2., 3.]])
    """
    return torch.einsum("nl,nld->nd", (-sharpness * beliefs).softmax(1), displacements)
