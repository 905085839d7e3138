"""Which landmark belongs to which."""

import json

import pytest
import torch

from common.registration.landmark_pairs import paired
from common.registration.landmarks import Landmarks, read_landmarks
from common.words import InputWarning

POINTS = torch.tensor([[10.0 * k, k**2, -3.0 * k] for k in range(1, 6)], dtype=torch.float64)
NAMES = ("tip", "base", "left", "right", "top")


def landmarks(names=NAMES, order=range(5), undefined=(), source="points.csv"):
    return Landmarks(POINTS[list(order)], tuple(names[k] for k in order), undefined=undefined, source=source)


@pytest.mark.parametrize(
    ("fixed", "moving"),
    [
        (NAMES, NAMES),
        (["F-1", "F-2", "F-3", "F-4", "F-5"], ["M_1-1", "M_1-2", "M_1-3", "M_1-4", "M_1-5"]),
        ("12345", "12345"),
    ],
)
def test_names_pair_points_in_any_order(fixed, moving, recwarn):
    first, second, names = paired(landmarks(fixed), landmarks(moving, (4, 2, 0, 1, 3)))
    torch.testing.assert_close(first, second)
    assert names == tuple(fixed)
    assert not recwarn.list


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (4, 3, 2, 1)])
@pytest.mark.parametrize("names", [NAMES, ("F-1", "F-2", "F-3", "F-4", "F-5")])
def test_a_missing_point_is_named_with_the_file_that_lacks_it(names, order):
    whole, part = landmarks(names, source="whole.csv"), landmarks(names, order, source="part.csv")
    (missing,) = set(names) - set(part.labels)
    for pair in ((whole, part), (part, whole)):
        with pytest.raises(ValueError, match=rf"part\.csv: expected the landmarks that whole\.csv has, {missing} is"):
            paired(*pair)


def test_a_point_that_is_undefined_in_one_file_is_left_out_of_both():
    first, second, names = paired(landmarks(), landmarks(order=(3, 0, 4, 1), undefined=("left",)))
    torch.testing.assert_close(first, second)
    assert names == ("tip", "base", "right", "top")


@pytest.mark.parametrize(
    ("fixed", "moving"), [(["F"] * 5, ["F"] * 5), (NAMES, "12345"), (["a", "a", "b", "c", "d"], NAMES)]
)
def test_points_whose_names_do_not_tell_are_paired_by_order_with_a_warning(fixed, moving):
    with pytest.warns(InputWarning, match="landmarks are paired by their order"):
        first, second, _ = paired(landmarks(fixed), landmarks(moving))
    torch.testing.assert_close(first, second)
    with pytest.raises(ValueError, match="got 5 and 4"):
        paired(landmarks(fixed), landmarks(moving, range(4)))


def slicer_csv(undefined=()):
    rows = ["label,l,p,s,defined,selected,visible,locked,description"]
    for name, (x, y, z) in zip(NAMES, POINTS.tolist(), strict=True):
        is_defined = name not in undefined
        place = f"{-x},{-y},{z},1" if is_defined else "0,0,0,0"
        rows.append(f"{name},{place},1,1,0,")
    return "\n".join(rows) + "\n"


def slicer_json(undefined=(), lists=1, unit="mm", factor=1.0, blank="undefined"):
    points = [
        {
            "label": name,
            "position": [-x / factor, -y / factor, z / factor] if name not in undefined else None,
            "positionStatus": "defined" if name not in undefined else blank,
        }
        for name, (x, y, z) in zip(NAMES, POINTS.tolist(), strict=True)
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": unit, "controlPoints": points}
    return json.dumps({"markups": [markup] * lists})


@pytest.mark.parametrize(("name", "text"), [("a.csv", slicer_csv), ("a.mrk.json", slicer_json)])
def test_undefined_points_of_slicer_are_left_out_and_named(name, text, tmp_path):
    (tmp_path / name).write_text(text(undefined=("base", "top")))
    with pytest.warns(InputWarning, match="left out are undefined points: base, top"):
        found = read_landmarks(tmp_path / name)
    torch.testing.assert_close(found.points_mm, POINTS[[0, 2, 3]])
    assert (found.labels, found.undefined) == (("tip", "left", "right"), ("base", "top"))


@pytest.mark.parametrize("blank", ["undefined", "preview", "missing"])
def test_every_status_but_defined_has_no_place(blank, tmp_path):
    (tmp_path / "a.mrk.json").write_text(slicer_json(undefined=("tip",), blank=blank))
    with pytest.warns(InputWarning, match="tip"):
        assert len(read_landmarks(tmp_path / "a.mrk.json").labels) == 4


@pytest.mark.parametrize(("unit", "factor"), [("um", 0.001), (["m"] * 3, 1000.0), (["mm"] * 3, 1.0)])
def test_the_unit_of_slicer_counts(unit, factor, tmp_path):
    (tmp_path / "a.mrk.json").write_text(slicer_json(unit=unit, factor=factor))
    torch.testing.assert_close(read_landmarks(tmp_path / "a.mrk.json").points_mm, POINTS)


def test_two_lists_in_one_file_are_refused(tmp_path):
    (tmp_path / "a.mrk.json").write_text(slicer_json(lists=2))
    with pytest.raises(ValueError, match=r"a\.mrk\.json: .*2 lists of points in one file; save each in a file"):
        read_landmarks(tmp_path / "a.mrk.json")
