"""The command ``registration``: help without heavy imports, words that are wrong, and the scripts that call it."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from common.commands.cli import COMMANDS, main, outline
from common.registration.outputs import Request
from common.registration.steps import DiscreteSearch, Refinement

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "monai", "nibabel", "scipy", "numpy")


def signatures(component):
    """Parameters and first line of the help of a function, or of each of several."""
    functions = component if isinstance(component, dict) else {"": component}
    return {
        name: (
            [(item.name, item.default) for item in inspect.signature(function).parameters.values()],
            inspect.getdoc(function).splitlines()[0],
        )
        for name, function in functions.items()
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_outline_of_a_command_is_what_is_called(name):
    assert signatures(COMMANDS[name].outline()) == signatures(COMMANDS[name].load())


@pytest.mark.parametrize("words", [[], ["--help"], ["register", "--help"], ["prepare", "sample", "-h"], ["--version"]])
def test_help_loads_nothing_heavy(words):
    code = f"import sys; from common.commands.cli import main; main({words!r})\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    if not run.stdout:  # Fire ends the process after help
        code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {code}"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0
    assert not set(HEAVY) & set(run.stdout.splitlines()[-1].split())
    assert "registration" in run.stdout + run.stderr


def test_an_unknown_command_is_named_with_the_one_that_was_meant(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["regster"])
    assert ended.value.code == 2
    assert "there is no command regster, did you mean 'register'" in capsys.readouterr().err


def test_wrong_input_ends_with_one_line_and_exit_code_1(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["invert", "--transforms", str(tmp_path / "none.tfm"), "--output", str(tmp_path / "out.tfm")])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/none.tfm: expected a displacement field")


def test_an_outline_knows_functions_and_dictionaries_of_them():
    source = 'import slow\n\ndef one(a: int = 1, *, b=""):\n    "Does."\n    slow.x()\n\nALL = {"first": one}\n'
    assert str(inspect.signature(outline(source, "one"))) == "(a: int = 1, *, b='')"
    assert outline(source, "ALL")["first"].__doc__ == "Does."


def test_defaults_of_register_are_those_of_its_steps():
    options = inspect.signature(COMMANDS["register"].load()).parameters
    names = ("similarity", "regularization", "weight", "learning_rate", "control_spacing", "velocity", "num_levels")
    for name in (*names[1:], "spacing_mm"):
        assert options[name].default == getattr(Refinement, name)
    assert options["search_levels"].default == DiscreteSearch.num_levels
    assert options["format"].default == Request.format


@pytest.mark.parametrize("script", ["register", "prepare_data", "reproduce", "package_bundle"])
def test_a_script_is_its_command(load_script, script):
    module = load_script(script)
    assert module.main.args[0] in COMMANDS
