"""The rooms of `common`, lowest first: a file imports from its own room and from those before it."""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import common
from common.tools.packaging.vendor import imported_names

ROOMS = (
    *("words", "files", "distributed", "randomness", "precision", "memory", "quantiles", "optional", "weights"),
    *("fields", "world", "data", "losses", "networks", "solvers", "training", "transforms", "metrics", "inferers"),
    *("methods/self_training", "methods", "registration", "tools", "commands"),
)


def room(name: str) -> str:
    """Room of a module: common.fields.ddf → fields; the methods share one floor, but for what they share."""
    parts = name.split(".")
    return "methods/self_training" if parts[1:3] == ["methods", "self_training"] else parts[1]


def modules(folder: Path) -> dict[str, set[str]]:
    """Module → modules of the same package that it imports; packages themselves are empty."""
    paths = [path for path in folder.rglob("*.py") if path.name != "__init__.py"]
    files = {".".join((folder.name, *path.relative_to(folder).with_suffix("").parts)): path for path in paths}
    found = {
        name: imported_names(path.read_text(encoding="utf-8"), name.rpartition(".")[0]) for name, path in files.items()
    }
    return {name: {x for y in names for x in (y, y.rpartition(".")[0]) if x in files} for name, names in found.items()}


def wrong_arrows(imports: dict[str, set[str]]) -> list[str]:
    """Imports that run upwards, or from one method to another."""
    arrows = [(name, other) for name, others in imports.items() for other in others]
    up = [arrow for arrow in arrows if ROOMS.index(room(arrow[0])) < ROOMS.index(room(arrow[1]))]
    methods = [arrow for arrow in arrows if {room(name) for name in arrow} == {"methods"}]
    sideways = [arrow for arrow in methods if arrow[0].split(".")[2] != arrow[1].split(".")[2]]
    return [f"{name} imports {other}" for name, other in up + sideways]


def test_no_import_runs_upwards_or_between_two_methods_and_no_circle_stays():
    imports = modules(Path(common.__file__).parent)
    assert {room(name) for name in imports} == set(ROOMS)
    assert wrong_arrows(imports) == []
    TopologicalSorter(imports).prepare()  # raises CycleError, naming the files


@pytest.mark.parametrize(
    ("name", "line", "wrong"),
    [
        ("fields/ddf", "from ..world import grid", "common.fields.ddf imports common.world.grid"),
        ("methods/a/steps", "from ..b.steps import step", "common.methods.a.steps imports common.methods.b.steps"),
        ("methods/a/steps", "from ..self_training import stages", ""),
        ("world/grid", "from ..fields.ddf import warp", ""),
    ],
)
def test_a_planted_import_is_found(name, line, wrong, tmp_path):
    for file in ("fields/ddf", "world/grid", "methods/a/steps", "methods/b/steps", "methods/self_training/stages"):
        path = tmp_path / "common" / f"{file}.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"def function():\n    {line}\n" if file == name else "")
    assert wrong_arrows(modules(tmp_path / "common")) == [wrong] * bool(wrong)


def test_a_planted_circle_is_found(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.py").write_text(f"from . import {other}\n")
    with pytest.raises(CycleError):
        TopologicalSorter(modules(tmp_path)).prepare()
