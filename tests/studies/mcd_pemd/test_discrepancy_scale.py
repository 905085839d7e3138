import re

import torch

from common.methods.mcd_pemd.classifier import DisplacementClassifier


def test_every_discrepancy_is_compared_with_p_emd(load_script, capsys, tmp_path):
    torch.manual_seed(0)
    torch.save(DisplacementClassifier().state_dict(), tmp_path / "model.pt")
    load_script("discrepancy_scale").discrepancy_scale(
        ckpt_path=str(tmp_path / "model.pt"), num_batches=2, batch_size=16, temperature=10.0
    )
    rows = re.findall(r"\| (\w+) \| (\S+) \| \S+ \| (\d+\.\d{4}) \|", capsys.readouterr().out)
    assert [row[0] for row in rows] == ["pemd16", "pemd2", "pemd16_swd", "l1", "swd"]
    values, ratios = ({row[0]: float(row[k]) for row in rows} for k in (1, 2))
    assert ratios["pemd16"] == 1
    assert ratios["swd"] < ratios["l1"] < 1 < ratios["pemd16_swd"] + 1e-4
    assert values["swd"] < values["l1"] < values["pemd16"]


def test_weights_trained_without_adaptation_are_measured(load_script, capsys, tmp_path):
    torch.save(DisplacementClassifier(num_test_heads=1).state_dict(), tmp_path / "model.pt")
    load_script("discrepancy_scale").discrepancy_scale(
        ckpt_path=str(tmp_path / "model.pt"), val_subjects="sample01", num_test_heads=1, num_batches=1, batch_size=8
    )
    assert "| pemd16 |" in capsys.readouterr().out
