import json

import pytest
import torch

pytest.importorskip("ot")


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("emd_study")


@pytest.mark.parametrize("kind", ["one peak", "20 % random", "random"])
def test_histograms_hold_a_mass_of_one(study, kind, generator):
    histograms = study.HISTOGRAMS[kind](20, generator)
    assert histograms.shape == (20, 25)
    torch.testing.assert_close(histograms.sum(dim=1), torch.ones(20, dtype=torch.float64))


def test_every_distance_has_one_value_per_pair(study):
    values = study.distances("one peak", 12, seed=0)
    assert set(values) == {"exact", *study.DISTANCES}
    assert all(value.shape == (12,) for value in values.values())


def test_same_seed_gives_the_same_distances(study):
    first, second, other = (study.distances("random", 5, seed)["exact"] for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != other).any()


def test_projected_distance_is_over_150_times_faster_than_the_exact_one(study):
    threads = torch.get_num_threads()
    try:
        assert study.timing(rounds=3, seed=0)["ratio"] > 150
    finally:
        torch.set_num_threads(threads)


def test_study_writes_what_it_prints(study, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(study, "timing", lambda rounds, seed: {"projected_s": 1e-4, "exact_s": 0.02, "ratio": 200.0})
    text = study.emd_study(num_pairs=30, output_dir=str(tmp_path))
    written = json.loads((tmp_path / "emd_study.json").read_text(encoding="utf-8"))
    assert f"{written['pearson']['L1']['random']:.4f}" in text
    assert (tmp_path / "emd_study.png").stat().st_size < 60_000
