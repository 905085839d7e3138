import json

from common.tools.packaging.card import hugging_face_card, package_card
from common.tools.packaging.contents import package_contents

METADATA = {"pytorch_version": "2", "monai_version": "1", "numpy_version": "3", "required_packages_version": {"x": "4"}}
FILES = ["LICENSE", "docs/README.md", "docs/plot.png", "mine_common/fields/warp.py"]


def packaged(text):
    return package_card(text, "mine", METADATA, FILES)


def test_links_lead_to_the_same_files_in_the_package():
    text = packaged("[a](../LICENSE#x) ![b](plot.png) [c](../../../common/fields/warp.py)")
    assert text.startswith("[a](../LICENSE#x) ![b](plot.png) [c](../mine_common/fields/warp.py)\n")


def test_links_to_the_web_and_within_the_card_are_kept():
    text = "[a](https://example.org/x) [b](#results) [c](mailto:a@b.org)"
    assert packaged(text).startswith(text)


def test_link_out_of_the_package_becomes_text():
    assert packaged("[home](../../../README.md), ![no](other.png)").startswith("home, no\n")


def test_commands_name_the_configs_of_the_package():
    text = packaged("```bash\npython -m monai.bundle run --config_file \"['bundles/mine/configs/a.json']\"\n```")
    assert "--config_file \"['configs/a.json']\"" in text


def test_commands_of_the_repository_go_and_empty_blocks_with_them():
    text = packaged("A\n\n```bash\npython scripts/x.py\n```\n\n```bash\npip install -e .\nls\n```\n")
    assert text.startswith("A\n\n```bash\nls\n```\n")


def test_the_sentence_that_announces_a_block_goes_with_it():
    block = "```bash\npython scripts/x.py\n```\n\n"
    text = packaged(f"It is small. Own weights, as of v1.2,\nare trained so:\n\n{block}More.\n")
    assert text.startswith("It is small.\n\nMore.\n")


def test_card_names_what_to_install():
    assert "pip install torch==2 monai==1 numpy==3 x==4\n" in packaged("")


def test_python_of_the_card_imports_the_package():
    assert "from mine_common.fields.ddf import warp" in packaged("```python\nfrom common.fields.ddf import warp\n```")


def test_card_of_the_top_folder_starts_with_front_matter_and_links_from_there():
    text = hugging_face_card("[a](../LICENSE) ![b](plot.png)\n", FILES)
    assert text.startswith("---\nlicense: apache-2.0\nlibrary_name: monai\n")
    assert text.endswith("---\n[a](LICENSE) ![b](docs/plot.png)\n")


def test_contents_hold_both_cards(tiny):
    contents = package_contents(tiny.bundle, tiny.source)
    for name in ("README.md", "docs/README.md"):
        assert "--config_file configs/train.json" in contents[name].decode()
    assert json.loads(contents["configs/train.json"])["network_def"]["_target_"].startswith("tiny_common.")
