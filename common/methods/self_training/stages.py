"""Cyclical self-training: a network learns from labels that it made itself in the stage before.

Nothing here knows what a pair or a label is; images and points use the same engine.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import distributed, nn
from tqdm import tqdm

from ...distributed import average_gradients, process_count, process_rank
from ...randomness import sample_generator
from .draws import PseudoLabeledPairs
from .store import PseudoLabelStore

# Epoch numbers end at 2¹², so labels of stage s draw from a stream that no training sample uses.
_LABEL_EPOCH = 1 << 12


def difficulty_weights(difficulties: torch.Tensor, sharpness: float = 5.0) -> torch.Tensor:
    """Weights of the sampling: sigmoid of arguments from s down to −s, linearly in the rank; the easiest pair first.

    Pairs of equal difficulty share the mean of their weights.

    Args:
        difficulties: (n,), smaller is easier.
        sharpness: s; paper: 5.

    Returns:
        (n,), in (0, 1).

    Example:
        >>> difficulty_weights(torch.tensor([0.7, 0.1, 0.3])).tolist()
        [0.00669..., 0.99330..., 0.5]

    Reference:
        Bigalke et al., MICCAI 2023, section 2.3.1, last paragraph.
    """
    by_rank = torch.sigmoid(torch.linspace(sharpness, -sharpness, len(difficulties), dtype=torch.float64))
    _, rank_of_value, counts = torch.unique(difficulties, return_inverse=True, return_counts=True)
    weights = torch.stack([part.mean() for part in by_rank.split(counts.tolist())])
    return weights[rank_of_value]


def num_epochs(num_stages: int, epochs_per_stage: int) -> int:
    """Epochs of all stages, for ``max_epochs`` of the trainer.

    Example:
        >>> num_epochs(8, 10)
        80
    """
    if num_stages < 1 or epochs_per_stage < 1:
        raise ValueError(f"expected at least one stage and one epoch, got {num_stages} and {epochs_per_stage}")
    return num_stages * epochs_per_stage


def draws_per_epoch(num_iterations: int, batch_size: int, epochs_per_stage: int) -> int:
    """Samples per epoch that make a stage of so many optimizer steps.

    Raises:
        ValueError: where the steps cannot be divided among the epochs.

    Example:
        >>> draws_per_epoch(1000, batch_size=2, epochs_per_stage=10)
        200
    """
    if num_iterations < 1 or num_iterations % epochs_per_stage:
        raise ValueError(
            f"num_iterations: expected a positive multiple of epochs_per_stage = {epochs_per_stage},"
            f" got {num_iterations}"
        )
    return num_iterations // epochs_per_stage * batch_size


def fingerprint(network: nn.Module) -> str:
    """Hash of a network's parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()[:16]


class SelfTrainingStep:
    """One optimizer step of the student, as ``step`` of :class:`~common.training.trainer.StepTrainer`.

    Args:
        network: the student.
        optimizer: of its parameters.
        student_loss: called with the network and a sample; a scalar, or a dictionary of scalars with ``loss``. Where
            the loader leaves samples apart (a list), it is called for each and gradients add up to that of the mean.
        max_gradient_norm: longer gradients are shortened to it; 0 leaves them.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        student_loss: Callable,
        max_gradient_norm: float = 0.0,
    ) -> None:
        self.network, self.optimizer, self.student_loss = network, optimizer, student_loss
        self.max_gradient_norm = max_gradient_norm

    def __call__(self, engine: Engine, batch: dict | Sequence[dict]) -> dict[str, torch.Tensor]:
        """Do the step; returns the losses, means over the samples."""
        self.network.train()
        self.optimizer.zero_grad(set_to_none=False)
        samples = batch if isinstance(batch, list | tuple) else [batch]
        totals: dict[str, torch.Tensor] = {}
        for sample in samples:
            losses = self.student_loss(self.network, sample)
            losses = losses if isinstance(losses, dict) else {"loss": losses}
            (losses["loss"] / len(samples)).backward()
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + value.detach() / len(samples)
        gradients = [p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        average_gradients(gradients)
        if self.max_gradient_norm:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.max_gradient_norm)
        self.optimizer.step()
        return totals


class SelfTrainingStages:
    """Makes new pseudo labels at the start of every stage: Ignite handler, first in the trainer's list.

    Stage s is epochs s·E + 1 to (s + 1)·E. Its labels come from the network as stage s − 1 left it, those of stage 0
    from the random network, which is then initialized anew, so that the student does not begin as its teacher.

    Args:
        network: labels the pairs and learns from it.
        pairs: data set of the pairs.
        draws: data set of the student; gets labels and weights of each stage.
        labeler: called with network, item and generator; gives the label and its difficulty ≥ 0.
        store: where labels are kept.
        epochs_per_stage: E.
        optimizer: of the student, for ``optimizer_reset_interval``.
        first_labeler: of stage 0; None for ``labeler``.
        reinitialize: whether the network is initialized anew after the labels of stage 0.
        fresh_students: whether network and optimizer begin anew in every stage, so that a student has nothing but the
            labels from the stage before.
        weighted: whether difficult pairs are drawn less often; False draws all alike.
        optimizer_reset_interval: stages after which the optimizer's moments are forgotten; 0 for never.
        seed: of the labels and the new initialization.
        first_labels: open stage of another run, whose labels and difficulties stage 0 takes in place of its own; see
            :func:`~common.methods.self_training.store.foreign_labels`.

    Reference:
        Bigalke et al., MICCAI 2023, sections 2.1 and 2.2.
    """

    def __init__(
        self,
        network: nn.Module,
        pairs: Sequence[dict],
        draws: PseudoLabeledPairs,
        labeler: Callable,
        store: PseudoLabelStore,
        epochs_per_stage: int,
        optimizer: torch.optim.Optimizer | None = None,
        first_labeler: Callable | None = None,
        reinitialize: bool = True,
        weighted: bool = True,
        optimizer_reset_interval: int = 0,
        seed: int = 0,
        first_labels: PseudoLabelStore | None = None,
        fresh_students: bool = False,
    ) -> None:
        self.network, self.pairs, self.draws, self.store = network, pairs, draws, store
        self.labeler, self.first_labeler = labeler, first_labeler or labeler
        self.epochs_per_stage, self.optimizer, self.seed = epochs_per_stage, optimizer, seed
        self.reinitialize, self.weighted = reinitialize, weighted
        self.optimizer_reset_interval = optimizer_reset_interval
        self.first_labels, self.fresh_students = first_labels, fresh_students
        self.stage, self.origin = -1, ""

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.epoch_started)

    def epoch_started(self, engine: Engine) -> None:
        """Begin the stage of this epoch, or, after a resume within it, open its labels again."""
        stage = (engine.state.epoch - 1) // self.epochs_per_stage
        if stage != self.stage:
            self.begin(stage)
        elif self.store.stage != stage:
            self.store.open_stage(stage, self.origin)
            self._hand_over()

    def begin(self, stage: int) -> None:
        """Label all pairs with the network as it is, and hand labels and weights to the student."""
        for buffer in self.network.buffers() if process_count() > 1 else ():
            distributed.broadcast(buffer, src=0)  # running means of batch norm are each process's own
        given = self.first_labels if stage == 0 else None
        self.stage, self.origin = stage, given.origin if given else fingerprint(self.network)
        if process_rank() == 0:
            self.store.open_stage(stage, self.origin)
            if given:
                self._copy(given)
            else:
                self._label(self.first_labeler if stage == 0 else self.labeler)
        if process_count() > 1:
            distributed.barrier()
            self.store.open_stage(stage, self.origin)
        self._hand_over()
        if stage > 0 and process_rank() == 0:
            self.store.remove_labels(stage - 1)
        if self.fresh_students or (stage == 0 and self.reinitialize):
            initialize_anew(self.network, self.seed + 1 + stage)
        reset = self.optimizer_reset_interval and stage % self.optimizer_reset_interval == 0
        if self.optimizer is not None and (reset or self.fresh_students):
            self.optimizer.state.clear()

    def state_dict(self) -> dict[str, Any]:
        """Stage and the hash of the network that labeled it."""
        return {"stage": self.stage, "origin": self.origin}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue in that stage with the labels on disk."""
        self.stage, self.origin = state["stage"], state["origin"]
        self.store.close()

    def _label(self, labeler: Callable) -> None:
        self.network.eval()
        for pair in tqdm(self.store.missing(), desc=f"stage {self.stage}: pseudo labels", unit="pair", leave=False):
            generator = sample_generator(self.seed, _LABEL_EPOCH + self.stage, pair)
            with torch.no_grad():
                label, difficulty = labeler(self.network, self.pairs[pair], generator)
            self.store.write(pair, label, float(difficulty))

    def _copy(self, given: PseudoLabelStore) -> None:
        difficulties = given.difficulties().tolist()
        for pair in self.store.missing():
            self.store.write(pair, given.read(pair), difficulties[pair])

    def _hand_over(self) -> None:
        difficulties = self.store.difficulties()
        weights = difficulty_weights(difficulties) if self.weighted else torch.ones_like(difficulties)
        self.draws.set_stage(self.store.read, weights)


class AttachStages:
    """Attaches stages that other entries of a config refer to; lists of handlers hold no references there.

    Args:
        stages: the handler.
    """

    def __init__(self, stages: SelfTrainingStages) -> None:
        self.stages = stages

    def attach(self, engine: Engine) -> None:
        """Register the stages with a trainer."""
        self.stages.attach(engine)


def initialize_anew(network: nn.Module, seed: int) -> None:
    """Give every layer of a network its default initialization again; global generators are left as they were."""
    devices = sorted({parameter.device.index for parameter in network.parameters() if parameter.is_cuda})
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for module in network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
