"""Options of a request, and the registrars that are kept warm."""

import os

import pytest

from apps.monailabel.options import EFFORTS, choices, default_of, read_options, warm_registrar
from common.registration.steps import DiscreteSearch, Refinement


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
        ({"moving": "b", "affine": "elastic"}, "affine: expected one of none, affine, rigid, got 'elastic'"),
        ({"moving": "b", "neighbors": "3"}, "there is no option 'neighbors'"),
        ({"moving": "b", "result_extension": ".nrrd"}, "expected .nii.gz"),
    ],
)
def test_a_wrong_option_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        read_options(params, choices("mcd_pemd", False))


def test_an_effort_is_a_search_and_a_refinement_with_the_similarity_asked_for():
    words = {"moving": "b", "effort": "best", "similarity": "mse", "affine": "none"}
    registrar = warm_registrar("none", read_options(words, choices("none", False)))
    num_passes, num_iterations = EFFORTS["best"]
    assert registrar.search == DiscreteSearch(num_passes)
    assert registrar.refinement == Refinement(num_iterations, "mse")
    assert registrar.affine == ""


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
    options = read_options({"moving": "b", "affine": "none", "effort": "none"}, choices("none", False))
    with pytest.raises(ValueError, match="expected one that is not none"):
        warm_registrar("none", options)


def _own_weights(bundle):
    from common.registration.prediction import bundle_folder
    from common.weights import weights_file

    return weights_file(bundle_folder(bundle))
