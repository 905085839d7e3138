import re


def test_prints_seconds_and_loading_share_of_each_epoch(load_script, capsys):
    small = {"num_pairs": 8, "num_val_pairs": 4, "batch_size": 4, "num_sample_subjects": 2, "val_fraction": 0.5}
    load_script("time_epoch").time_epoch("mcd_pemd", epochs=2, **small)
    lines = re.findall(r"epoch (\d): [\d.]+ s, ([\d.]+) % of it loading", capsys.readouterr().out)
    assert [number for number, _ in lines] == ["1", "2"]
    assert all(0 < float(share) < 100 for _, share in lines)
