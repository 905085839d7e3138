import re


def test_every_operation_is_timed(load_script):
    text = load_script("greedy_operations").greedy_operations((16, 18, 20), repeats=1)
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]*) \| ([\d.]+) \| (\d+) \| (\d+) % \|$", text, flags=re.MULTILINE)
    assert len(rows) == 11
    assert rows[0][0] == "copy"
    assert rows[0][-1] == "100"
    assert all(float(here) > 0 for _, _, here, _, _ in rows)
