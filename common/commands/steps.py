"""The steps that the options of ``register`` ask for; what fits no step is refused."""

import os
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch

from ..registration.greedy import AUTO, GreedyRefinement, refinement_of
from ..registration.registrar import Registrar
from ..registration.request import own_effort
from ..registration.steps import DiscreteSearch, Refinement
from ..solvers.greedy_settings import SIMILARITIES
from ..words import one_of

EXAMPLES = {"search": 2, "refine": 50}
NUMBERS = {
    float: ("weight", "learning_rate", "spacing_mm", "label_weight", "point_weight"),
    int: ("num_levels", "control_spacing", "search_levels"),
}
ADAM = ("regularization", "weight", "learning_rate", "control_spacing", "velocity")
GUIDES = ("label_weight", "point_weight")


def registrar_of(given: SimpleNamespace) -> Registrar:
    """The registrar with the steps of some options.

    Args:
        given: all options of :func:`~.register.register`, and its parameters as ``defaults``.

    Raises:
        ValueError: for a number out of place, an option whose step is left out, an unknown setting.
    """
    for kind, names in NUMBERS.items():
        for name in names:
            check_number(name, getattr(given, name), kind)
    if given.frame is not None:
        check_number("frame", given.frame, int)
    _check_step(given, "search", ("search_levels",))
    _check_step(given, "refine", (*ADAM, "solver", "num_levels"))
    if not given.search and not given.refine:
        _check_unused(given, "--search or --refine", ("spacing_mm",))
    if given.effort not in ("", "none") and given.refine:
        raise ValueError(f"expected either --effort {given.effort} or --refine, got both")
    effort = given.effort or own_effort(given.bundle, given.affine, given.search, given.refine)
    if effort == "none" and not given.refine:
        _check_unused(given, "--refine or --effort", ("similarity",))
    return Registrar(
        given.bundle,
        given.init,
        given.affine or effort != "none",
        DiscreteSearch(given.search, given.search_levels, spacing_mm=given.spacing_mm) if given.search else None,
        _refinement(given, effort),
        given.header,
        given.device or _own_device(),
        given.ckpt_path,
        given.bundle_options,
        given.frame,
    )


def has_step(given: SimpleNamespace, registrar: Registrar) -> bool:
    """Whether anything but the headers decides where the moving image goes."""
    steps = (registrar.affine, registrar.search, registrar.refinement, registrar.prediction)
    return any(step for step in steps) or given.init != "world"


def check_number(name: str, value: object, kind: type) -> None:
    """Refuse a text, a switch, and a fraction where a whole number is meant.

    Raises:
        ValueError: names the option.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        expected = "a number" if kind is float else "a whole number"
        raise ValueError(f"{name}: expected {expected}, got {'no value' if value is True else repr(value)}")


def _refinement(given: SimpleNamespace, effort: str) -> GreedyRefinement | Refinement | None:
    """That of --refine or of the effort; options of another solver are refused beside it."""
    refinement = refinement_of(effort, given.similarity if effort != "none" else AUTO)
    if given.refine:
        refinement = _asked_refinement(given)
    if not isinstance(refinement, GreedyRefinement):
        _check_unused(given, "a refinement by the greedy solver", GUIDES)
        return refinement
    return replace(refinement, **{name: getattr(given, name) for name in GUIDES})


def _asked_refinement(given: SimpleNamespace) -> GreedyRefinement | Refinement:
    solver = given.solver or ("greedy" if given.similarity in (AUTO, *SIMILARITIES) else "adam")
    shared = {name: getattr(given, name) for name in ("similarity", "num_levels", "spacing_mm")}
    if one_of("solver", solver, ("greedy", "adam")) == "adam":
        return Refinement(given.refine, **{name: getattr(given, name) for name in ADAM}, **shared)
    _check_unused(given, "--solver adam", ADAM)
    return GreedyRefinement(given.refine, **shared)


def _check_step(given: SimpleNamespace, step: str, options: tuple[str, ...]) -> None:
    """Refuse a step without its number, and options of a step that is left out."""
    number: Any = getattr(given, step)
    if number is True or not isinstance(number, int):
        found = "no value" if number is True else repr(number)
        raise ValueError(f"{step}: expected a whole number, such as --{step} {EXAMPLES[step]}, got {found}")
    if not number:
        _check_unused(given, f"--{step}", options)


def _check_unused(given: SimpleNamespace, step: str, options: tuple[str, ...]) -> None:
    changed = [f"--{name}" for name in options if getattr(given, name) != given.defaults[name].default]
    if changed:
        raise ValueError(f"{', '.join(changed)}: expected {step} beside, got none")


def _own_device() -> str:
    count = torch.cuda.device_count()
    return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % count}" if count else "cpu"
