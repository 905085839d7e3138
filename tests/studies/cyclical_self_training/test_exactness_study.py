import pytest
import torch


@pytest.fixture
def script(load_script):
    return load_script("exactness_study")


def test_every_correction_has_an_error(script, capsys):
    script.study(shape=(32, 24, 32), num_fields=1)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 6
    assert all(float(row.split("|")[2]) >= 0 for row in rows)


def test_fields_have_the_length_that_is_asked_for(script):
    field = script.random_field([8, 8, 8], 3.0, torch.Generator().manual_seed(0))
    assert field.norm(dim=1).mean() == pytest.approx(3.0, rel=1e-4)


def test_endpoint_error_is_the_mean_distance_inside(script):
    exact = torch.zeros(1, 3, 20, 20, 20)
    field = exact.clone()
    field[:, 0] = 3.0
    field[:, 1] = 4.0
    field[..., 0, :] = 100.0
    assert script.endpoint_error(field, exact) == 5.0
