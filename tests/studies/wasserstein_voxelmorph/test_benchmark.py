import re

import pytest

SMALL = {"size": 16, "num_projections": 8, "embedding": 10}
ROWS = ["SWD", "SWD by POT", "PSWD", "PSWD by a loop of POT calls", "Radon", "MSE", "VoxelMorph"]


@pytest.fixture(scope="module")
def script(load_script):
    pytest.importorskip("ot")
    return load_script("benchmark")


def test_every_row_is_timed_and_agrees_with_pot(script, capsys):
    script.benchmark(repeats=1, memory=False, **SMALL)
    text = capsys.readouterr().out
    rows = dict(re.findall(r"^\| ([^|]+) \| ([\d.]+) \| – \|$", text, flags=re.MULTILINE))
    assert list(rows) == ROWS
    assert all(float(seconds) > 0 for seconds in rows.values())
    differences = re.findall(r"relative difference ([\d.e+-]+)", text)
    assert len(differences) == 2
    assert all(float(difference) < 1e-5 for difference in differences)


def test_a_row_alone_prints_its_peak_memory(script, capsys):
    script.benchmark(only="VoxelMorph", **SMALL)
    assert re.fullmatch(r"[\d.]+|None", capsys.readouterr().out.strip())


@pytest.mark.slow
def test_memory_of_a_row_is_measured_in_a_process_of_its_own(script):
    small, large = (
        script._peak_in_own_process("VoxelMorph", SMALL | {"num_threads": 1, "size": size}) for size in (16, 32)
    )
    if small == "–":
        pytest.skip("this system does not count memory")
    assert float(small) < float(large)


def test_unknown_row_is_refused(script):
    with pytest.raises(ValueError, match=r"only: expected one of SWD; .* got 'PSW'"):
        script.benchmark(only="PSW", **SMALL)
