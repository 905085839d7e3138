import functools
import sys

import pytest

from common.tools.command_line import CommandError, check_options, run_command


def register(fixed="", weight=0.5, report: bool = True, header="", *, save_all=False):
    return [fixed, weight, report, header, save_all]


def score(dataset_dir, tool="", **overrides):
    return [dataset_dir, tool, overrides]


@pytest.fixture
def call(monkeypatch):
    """What a function got from a command line; a SystemExit where it was not called."""

    def run(component, *words):
        calls = []
        functions = component if isinstance(component, dict) else {"": component}
        noted = {name: noting(function, calls) for name, function in functions.items()}
        monkeypatch.setattr(sys, "argv", ["tool.py", *words])
        try:
            run_command(noted if isinstance(component, dict) else noted[""])
        except SystemExit as stopped:
            assert not calls
            return stopped.code
        return calls

    return run


def noting(function, calls):
    """The function with the same signature, whose values are kept."""

    @functools.wraps(function)
    def called(*values, **named):
        calls.extend(function(*values, **named))

    return called


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--fixed", "a"], ["a", 0.5, True, "", False]),
        (["--fixed=a", "--weight", "-0.5"], ["a", -0.5, True, "", False]),
        (["--fixed=--a", "--noreport"], ["--a", 0.5, False, "", False]),
        (["-f", "a", "-weight=2", "--save-all"], ["a", 2, True, "", True]),
        (["a", "-1", "--header", "sform"], ["a", -1, True, "sform", False]),
        (["--report", "--save_all", "False"], ["", 0.5, True, "", False]),
    ],
)
def test_every_form_that_fire_takes_arrives(call, words, expected):
    assert call(register, *words) == expected


def test_a_function_of_any_option_gets_them(call):
    assert call(score, "data", "--num_passes", "2", "--noflag") == ["data", "", {"num_passes": 2, "flag": False}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fixed", "a", "--wieght", "1"], "there is no option --wieght, did you mean 'weight'?"),
        (["--wieght=1"], "there is no option --wieght, did you mean 'weight'?"),
        (["--no-reprot"], "there is no option --no-reprot, did you mean 'noreport'?"),
        (["--xyz"], "--xyz, known are fixed, weight, report, header, save_all"),
        (["--report", "false"], "--report: expected True, False, or --noreport for False, got 'false'"),
        (["--report=no"], "--report: expected True, False, or --noreport for False, got 'no'"),
        (["--noreport", "page"], "--noreport: expected no value, got 'page'"),
        (["--fixed", "a", "b", "1", "True", "more"], "got more, which no option takes"),
        (["--fixed", "-", "a"], "got -, which no option takes"),
        (["--wieght", "1", "--", "--trace"], "did you mean 'weight'?"),
    ],
)
def test_a_word_that_fire_would_reject_after_the_call_prevents_it(call, words, message, capsys):
    assert call(register, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["--fixed", "a", "-h"], ["--", "--help"]])
def test_help_calls_nothing_and_names_the_options(call, words, capsys):
    assert call(register, *words) == 0
    assert "--weight" in capsys.readouterr().err


def test_each_of_several_commands_has_its_own_options(call, capsys):
    commands = {"register": register, "score": score}
    assert call(commands, "register", "--fixed", "a") == ["a", 0.5, True, "", False]
    assert call(commands, "register", "--fixd", "a") == 2
    assert call(commands, "regster") == 2
    assert call(commands, "register", "-h") == 0
    assert "--weight" in capsys.readouterr().err


def test_one_letter_must_mean_one_option():
    def two(weight=1, width=2): ...

    with pytest.raises(CommandError, match="that of weight, width"):
        check_options(two, ["-w", "3"])


def test_a_misspelt_option_of_register_writes_nothing(load_script, monkeypatch, tmp_path, capsys):
    command = ["register.py", "--fixed", "a.nii", "--moving", "b.nii", "--output_dir", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [*command, "--simlarity", "mind"])
    with pytest.raises(SystemExit) as stopped:
        load_script("register").main()
    assert stopped.value.code == 2
    assert "did you mean 'similarity'?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
