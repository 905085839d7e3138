import re


def test_every_loss_is_compared_with_mse(load_script, capsys):
    load_script("loss_scale").loss_scale(num_pairs=1, num_projections=8, embedding=10)
    rows = re.findall(r"\| (\w+) \| \S+ \| \S+ \| (\d+\.\d{3}) \|", capsys.readouterr().out)
    ratios = {name: float(ratio) for name, ratio in rows}
    assert ratios["mse"] == 1
    assert ratios["radon"] < ratios["swd"] < ratios["pswd"] < 1
