"""Options of a request, and the registrars that are kept warm."""

import os

import pytest

from apps.monailabel.options import choices, default_of, read_options, warm_registrar
from common.registration.greedy import refinement_of
from common.registration.registrar import Registrar


@pytest.mark.parametrize("is_labels", [False, True])
@pytest.mark.parametrize("bundle", ["none", "mcd_pemd"])
def test_every_dropdown_holds_words_and_its_default_comes_first(bundle, is_labels):
    known = choices(bundle, is_labels)
    assert all(isinstance(word, str) for words in known.values() if isinstance(words, list) for word in words)
    options = read_options({"moving": "b"}, known)
    assert {name: getattr(options, name) for name in known if name != "moving"} == {
        name: default_of(words) for name, words in known.items() if name != "moving"
    }


def test_what_clients_add_is_passed_over_and_an_empty_text_means_the_default():
    options = read_options({"moving": "b", "client_id": "me", "effort": ""}, choices("mcd_pemd", False))
    assert options.effort == "none"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "moving: expected the id"),
        ({"moving": "b", "affin": "rigid"}, "did you mean 'affine'"),
        ({"moving": "b", "affine": "elastic"}, "affine: expected one of auto, affine, rigid, got 'elastic'"),
        ({"moving": "b", "neighbors": "3"}, "there is no option 'neighbors'"),
        ({"moving": "b", "result_extension": ".nrrd"}, "expected .nii.gz"),
    ],
)
def test_a_wrong_option_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        read_options(params, choices("mcd_pemd", False))


@pytest.mark.parametrize("effort", ["fast", "normal", "best"])
@pytest.mark.parametrize("affine", ["auto", "affine", "rigid"])
def test_an_effort_is_an_affine_map_and_the_refinement_of_the_same_name(effort, affine):
    words = {"moving": "b", "effort": effort, "similarity": "mse", "affine": affine}
    registrar = warm_registrar("none", read_options(words, choices("none", False)))
    assert registrar.search is None
    assert registrar.refinement == refinement_of(effort, "mse")
    assert registrar.affine == ("rigid" if affine == "rigid" else "affine")


@pytest.mark.parametrize("init", ["center", "moments"])
def test_an_initial_alignment_alone_is_enough(init):
    options = read_options({"moving": "b", "effort": "none", "init": init}, choices("none", False))
    assert warm_registrar("none", options).settings["init"] == init


def test_without_an_effort_there_is_no_refinement_and_the_affine_map_that_is_asked_for():
    known = choices("none", False)
    registrar = warm_registrar("none", read_options({"moving": "b", "effort": "none", "affine": "rigid"}, known))
    assert registrar.refinement is None
    assert registrar.affine == "rigid"


def test_a_bundle_alone_is_neither_aligned_nor_refined():
    name = "wasserstein_voxelmorph"
    registrar = warm_registrar(name, read_options({"moving": "b"}, choices(name, False)))
    assert registrar.prediction is not None
    assert registrar.refinement is None
    assert registrar.affine == ""


@pytest.mark.parametrize("name", ["affine", "effort", "similarity", "init"])
def test_every_word_of_a_dropdown_makes_a_registrar(name):
    known = choices("none", False)
    for word in known[name]:
        options = read_options({"moving": "b", "affine": "rigid", name: word}, known)
        assert isinstance(warm_registrar("none", options), Registrar)


def test_a_registrar_is_kept_for_all_moving_images_until_its_weights_change(tmp_path):
    known = choices("wasserstein_voxelmorph", False)
    first, second = (read_options({"moving": name}, known) for name in "bc")
    kept = warm_registrar("wasserstein_voxelmorph", first)
    assert warm_registrar("wasserstein_voxelmorph", second) is kept
    weights = tmp_path / "trained.pt"
    weights.write_bytes((kept.prediction.network and _own_weights("wasserstein_voxelmorph")).read_bytes())
    trained = warm_registrar("wasserstein_voxelmorph", first, weights)
    assert trained is not kept
    assert warm_registrar("wasserstein_voxelmorph", second, weights) is trained
    os.utime(weights, (1, 1))
    assert warm_registrar("wasserstein_voxelmorph", second, weights) is not trained


def test_nothing_to_do_is_refused():
    options = read_options({"moving": "b", "effort": "none"}, choices("none", False))
    with pytest.raises(ValueError, match="an affine map or another init than world"):
        warm_registrar("none", options)


def _own_weights(bundle):
    from common.registration.prediction import bundle_folder
    from common.weights import weights_file

    return weights_file(bundle_folder(bundle))
