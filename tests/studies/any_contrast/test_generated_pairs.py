from PIL import Image


def test_a_picture_has_a_column_per_pair(load_script, tmp_path):
    path = tmp_path / "figures" / "pairs.png"
    load_script("generated_pairs").generated_pairs(str(path), num_pairs=2, size=16)
    with Image.open(path) as picture:
        assert picture.size == (2 * 16 + 2, 4 * 16 + 3 * 2)
        assert picture.getextrema() == (0, 255)
