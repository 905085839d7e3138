"""The measure of inverse consistency, and how its bound is chosen and scored."""

import pytest
import torch
from monai.data import MetaTensor

from common.registration.result import Registration

SHIFT_MM = torch.tensor([3.0, -2.0, 1.0])


@pytest.fixture
def study(load_script, monkeypatch, pytestconfig):
    monkeypatch.syspath_prepend(str(pytestconfig.rootpath / "scripts/studies/all"))
    return load_script("inverse_consistency")


def head(shift_mm=(0.0, 0.0, 0.0)):
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 3] = torch.as_tensor(shift_mm)
    x = torch.linspace(-1, 1, 32)
    radius = (x[:, None, None] ** 2 + x[:, None] ** 2 + x**2).sqrt()
    waves = 3 + torch.sin(9 * x)[:, None, None] + torch.sin(7 * x)[:, None] + torch.cos(8 * x)
    return MetaTensor((waves * (radius < 0.8))[None], affine=affine)


def result(field_mm, affine=None):
    fixed = head()
    field = MetaTensor(field_mm.view(3, 1, 1, 1).expand(3, 32, 32, 32).clone(), affine=fixed.affine)
    maps = {} if affine is None else {"affine": affine}
    return Registration(fixed, head(SHIFT_MM), field, **maps)


def test_what_both_directions_agree_on_is_no_inconsistency_and_what_they_do_not_is_its_length(study):
    nothing = torch.zeros(3)
    wrong_mm = (SHIFT_MM - nothing).norm().item()
    assert study.inconsistency(result(SHIFT_MM)) * 32 < 0.15 * wrong_mm
    assert study.inconsistency(result(nothing)) * 32 == pytest.approx(wrong_mm, rel=0.15)


def test_the_other_direction_begins_from_the_affine_map(study):
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 3] = SHIFT_MM
    assert study.inconsistency(result(SHIFT_MM, affine)) < 0.005


def case(part, word, value, reasons=()):
    return {"part": part, "is": word, "reasons": list(reasons), "inconsistency": value}


def test_the_bound_is_chosen_on_one_part_and_counted_on_the_other(study):
    rows = [
        case("choose", "right", 0.1, ["sides"]),
        case("choose", "wrong", 0.3),
        case("score", "right", 0.2, ["sides"]),
        case("score", "wrong", 0.05),
        case("score", "between", 0.9),
        case("score", "wrong", None),
    ]
    lines = study.table(rows).splitlines()
    assert "| the verdict alone | inf | 1 | 1 | 1 | 1 |" in lines
    assert "| the measure alone | 0.1 | 0 | 0 | 1 | 1 |" in lines
    assert "| both | 0.1 | 1 | 0 | 1 | 1 |" in lines
    assert "| in place of sides | 0.1 | 0 | 0 | 1 | 1 |" in lines
