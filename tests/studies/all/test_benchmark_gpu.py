import re


def test_every_row_is_timed(load_script, capsys):
    load_script("benchmark_gpu").benchmark("cpu", 1, self_training_shape=(32, 32, 32), mine_shape=(48, 48, 48))
    text = capsys.readouterr().out
    rows = dict(re.findall(r"^\| (\w+, [^|]+) \| ([\d.]+) \| 0.00 \|$", text, flags=re.MULTILINE))
    assert len(rows) == 7
    assert all(float(seconds) > 0 for seconds in rows.values())
