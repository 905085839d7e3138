"""The three training steps of maximum classifier discrepancy, as Heinrich & Hansen (MIDL 2020) take them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ...distributed import average_gradients, gather_batch
from .classifier import DisplacementClassifier
from .discrepancy import ClassifierDiscrepancy

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DiscrepancySettings:
    """Scalars of the three steps.

    Attributes:
        temperature: T, factor on the logits before the softmax of the discrepancy (section 2, second modification);
            0.1 in the paper.
        maximize_weight: w₂, factor of the discrepancy in step 2; not in the paper.
        minimize_weight: w₃, factor of the discrepancy in step 3; not in the paper.
        num_feature_steps: how often step 3 is done per batch.
        warmup_epochs: epochs of step 1 and of both heads on the source before the target is used.
    """

    temperature: float = 1.0
    maximize_weight: float = 0.1
    minimize_weight: float = 3.0
    num_feature_steps: int = 2
    warmup_epochs: int = 0

    def __post_init__(self):
        if self.temperature <= 0 or min(self.maximize_weight, self.minimize_weight) < 0:
            raise ValueError(f"expected temperature > 0 and weights ≥ 0, got {self}")


def agreement(probabilities: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Share of pairs to which two heads give the same most probable class: two (B, C) → a scalar in [0, 1].

    Example:
        >>> agreement(torch.eye(4), torch.eye(4).flip(0)).item()
        0.0
    """
    return (probabilities.argmax(dim=1) == others.argmax(dim=1)).float().mean()


class ClassifierDiscrepancySteps:
    """One iteration of the method, usable as `iteration_update` of a MONAI `Trainer`.

    With features G, heads C₁ and C₂, source pairs (x_s, y_s), target pairs x_t, cross-entropy CE and
    p_i = softmax(T · C_i(G(x_t))):

    1. min over G, C₁ of CE(C₁(G(x_s)), y_s)
    2. min over C₁, C₂ of Σ_i CE(C_i(G(x_s)), y_s) − w₂ · D(p₁, p₂)
    3. min over G of w₃ · D(p₁, p₂), twice

    Step 1 leaves C₂ alone (first modification of the paper). One optimizer per part serves all steps, as in the
    original: the features' Adam sees the gradients of steps 1 and 3. With discrepancy `none` only step 1 is done.

    Args:
        network: G, C₁ and C₂.
        discrepancy: D.
        optimizers: keys `features`, `head`, `second_head`.
        settings: the scalars.
        max_epochs: of the training, for a warning where the warm-up fills it; None for no warning.

    Raises:
        ValueError: where the second head is to vote though the discrepancy `none` leaves it untrained.

    Reference:
        Heinrich & Hansen, MIDL 2020, section 2, steps 1 to 3.
    """

    def __init__(
        self,
        network: DisplacementClassifier,
        discrepancy: ClassifierDiscrepancy,
        optimizers: Mapping[str, torch.optim.Optimizer],
        settings: DiscrepancySettings | None = None,
        max_epochs: int | None = None,
    ) -> None:
        if discrepancy.name == "none" and network.num_test_heads > 1:
            raise ValueError(
                "num_test_heads: expected 1 with the discrepancy none, which leaves the second head untrained,"
                f" got {network.num_test_heads}"
            )
        self.network = network
        self.discrepancy = discrepancy
        self.optimizers = optimizers
        self.settings = settings or DiscrepancySettings()
        if discrepancy.name != "none" and max_epochs is not None and self.settings.warmup_epochs >= max_epochs:
            logger.warning(
                "the warm-up of %d epochs fills all %d of the training: nothing is adapted to the target",
                self.settings.warmup_epochs,
                max_epochs,
            )

    def __call__(self, engine, batch: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Do the steps on a batch {"source": {"image", "label"}, "target": {"image"}}.

        Returns:
            "loss" of step 1; with a discrepancy "maximized" (D before step 2), "agreement" of the heads then and, after
            the warm-up, "minimized" (D before the last step 3).
        """
        self.network.train()
        device = next(self.network.parameters()).device
        source = {key: value.to(device) for key, value in batch["source"].items()}
        losses = {"loss": self.source_step(source["image"], source["label"])}
        if self.discrepancy.name == "none":
            return losses
        target = batch["target"]["image"].to(device)
        warm = engine.state.epoch > self.settings.warmup_epochs
        losses["maximized"], losses["agreement"] = self.heads_step(source["image"], source["label"], target, warm)
        for _ in range(self.settings.num_feature_steps if warm else 0):
            losses["minimized"] = self.features_step(target)
        return losses

    def source_step(self, image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Step 1: features and first head on the labeled source. Returns its cross-entropy."""
        loss = functional.cross_entropy(self.network.head(self.network.features(image)), label)
        self._descend(loss, "features", "head")
        return loss.detach()

    def heads_step(
        self, image: torch.Tensor, label: torch.Tensor, target: torch.Tensor, with_target: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Step 2: both heads, right on the source and apart on the target; G frozen.

        Returns:
            D(p₁, p₂), and the share of target pairs in which both heads name the same class: it falls towards that of
            guessing when step 2 wins over step 3 and the method collapses.
        """
        with torch.no_grad():
            source_features, target_features = self.network.features(image), self.network.features(target)
        cross_entropy = sum(functional.cross_entropy(head(source_features), label) for head in self._heads())
        weight = self.settings.maximize_weight if with_target else 0.0
        probabilities = self._probabilities(target_features)
        distance = self.discrepancy(*probabilities)
        self._descend(cross_entropy - weight * distance, "head", "second_head")
        return distance.detach(), agreement(*probabilities)

    def features_step(self, target: torch.Tensor) -> torch.Tensor:
        """Step 3: features that the heads agree on; heads frozen. Returns D(p₁, p₂)."""
        distance = self.discrepancy(*self._probabilities(self.network.features(target)))
        self._descend(self.settings.minimize_weight * distance, "features")
        return distance.detach()

    def _heads(self) -> tuple[nn.Module, nn.Module]:
        return self.network.head, self.network.second_head

    def _probabilities(self, features: torch.Tensor) -> list[torch.Tensor]:
        """p₁ and p₂ of the target pairs of all processes."""
        return [gather_batch((self.settings.temperature * head(features)).softmax(dim=1)) for head in self._heads()]

    def _descend(self, loss: torch.Tensor, *parts: str) -> None:
        """Take a step with the optimizers of `parts` and of no others."""
        parameters = [p for part in parts for group in self.optimizers[part].param_groups for p in group["params"]]
        gradients = torch.autograd.grad(loss, parameters)
        average_gradients(gradients)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        for part in parts:
            self.optimizers[part].step()
