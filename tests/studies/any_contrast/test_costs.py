import re


def test_every_cost_is_measured(load_script):
    lines = load_script("costs").costs(size=16, repeats=1).splitlines()
    assert [line.split(":")[0] for line in lines] == ["pair of 16³", "features", "MIND-SSC alone"]
    assert all(re.search(r": \d+\.\d\d s", line) for line in lines)
