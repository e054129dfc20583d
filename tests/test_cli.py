import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pytest

import toolkit
from toolkit.cli.entry import commands, run
from toolkit.cli.tables import write_tables
from toolkit.errors import DataError, StoppedError, VerificationError

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: Output, *arguments: str) -> tuple[int, str, str]:
    code = run(arguments)
    output = capsys.readouterr()
    return code, output.out, output.err


# -- help, usage ----------------------------------------------------------------------------------


def test_commands_stand_in_the_order_of_work() -> None:
    assert list(commands.commands) == [
        "fit", "launch", "evaluate", "predict", "export", "verify",
        "check", "show", "schema", "list", "copy", "cache",
    ]  # fmt: skip


@pytest.mark.parametrize("name", list(commands.commands))
def test_every_help_has_an_example_that_parses(name: str, capsys: Output) -> None:
    code, out, _ = told(capsys, name, "--help")
    assert code == 0
    examples = [line.strip() for line in out.split("Example:")[1].splitlines() if line.strip()]
    assert examples
    for example in examples:
        assert example.startswith(f"toolkit {name}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fitt"], "toolkit: no such command. Did you mean 'fit'? Received: 'fitt'."),
        (["fit"], "toolkit fit: missing argument 'RECIPE'."),
        (["fit", "a", "b"], "toolkit fit: got unexpected extra argument (b)"),
        (["predict", "x"], "toolkit predict: expected either INPUT or --text."),
        (["show"], "toolkit show: expected either RECIPE or --task."),
    ],
)
def test_usage_errors(arguments: list[str], message: str, capsys: Output) -> None:
    code, out, err = told(capsys, *arguments)
    command = message.partition(":")[0]
    assert (code, out) == (2, "")
    assert err == f"{message}\nRun '{command} --help' to see its arguments and an example.\n"


def test_wrong_option_and_choice(capsys: Output) -> None:
    assert told(capsys, "fit", "x", "--rum", "d")[0] == 2
    code, _, err = told(capsys, "evaluate", "x", "--format", "xml")
    assert code == 2
    assert "'xml'" in err


def test_version(capsys: Output) -> None:
    assert told(capsys, "--version") == (0, f"{toolkit.__version__}\n", "")


def test_module_is_the_command() -> None:
    command = [sys.executable, "-m", "toolkit", "--version"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout == f"{toolkit.__version__}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [("toolkit copy sent", "sentiment/demo"), ("toolkit show --task sent", "sentiment")],
)
def test_shell_completion(words: str, expected: str) -> None:
    import os

    environment = {**os.environ, "_TOOLKIT_COMPLETE": "bash_complete"}
    environment |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    script = "from toolkit.cli import main; import sys; sys.argv = ['toolkit']; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, text=True, env=environment
    )
    assert expected in done.stdout


# -- exit codes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("rows.csv: bad."), 2, "rows.csv: bad.\n"),
        (VerificationError("x: differs."), 4, "x: differs.\n"),
        (StoppedError("stopped at step 7."), 75, "stopped at step 7.\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted.\n"),
        (OSError(28, "No space left on device", "runs/x"), 2, "runs/x: No space left on device.\n"),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    message: str,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("toolkit.api.recipes.check", fail)
    assert told(capsys, "check", "x.yaml") == (code, "", message)


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), OSError(5, "Input/output error")])
def test_a_bug_shows_its_traceback(
    error: Exception, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("toolkit.api.recipes.check", fail)
    code, _, err = told(capsys, "check", "x.yaml")
    assert code == 1
    assert "Traceback" in err


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m toolkit show --task sentiment | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


# -- recipes --------------------------------------------------------------------------------------


def test_all_errors_of_a_recipe_at_once(folder: Path, capsys: Output) -> None:
    (folder / "my.yaml").write_text(
        "task: sentiment\n"
        "\n"
        "data:\n"
        "  text: review\n"
        "model:\n"
        "  type: transformer\n"
        "  num_head: 8\n"
        "  embedding_dim: big\n"
    )
    code, out, err = told(capsys, "fit", "my.yaml", "--run", "new")
    assert (code, out) == (2, "")
    assert err == (
        "my.yaml has 3 errors:\n"
        "  7:3  model.num_head: unknown key of type 'transformer'. Did you mean 'num_heads'?\n"
        "  8:18 model.embedding_dim: expected an integer of at least 1. Received: 'big'.\n"
        "  3:1  data.train: required key is missing.\n"
        "Run 'toolkit show --task sentiment' to see every key and its default.\n"
    )
    assert not (folder / "new").exists()


BAD_RECIPES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "a folder. Expected a recipe file"),
    "empty": (lambda path: path.write_text(""), "an empty recipe"),
    "yaml": (lambda path: path.write_text("task: [sentiment\n"), "a list that is not closed"),
    "task": (lambda path: path.write_text("task: sentimental\ndata: x\n"), "'sentiment'"),
    "twice": (lambda path: path.write_text("task: sentiment\ntask: x\n"), "duplicate key"),
    "no data": (lambda path: path.write_text("task: sentiment\ndata: no.csv\n"), "no such file"),
}


@pytest.mark.parametrize("name", BAD_RECIPES)
@pytest.mark.parametrize("command", ["fit", "check"])
def test_bad_recipes(name: str, command: str, folder: Path, capsys: Output) -> None:
    make, message = BAD_RECIPES[name]
    make(folder / "my.yaml")
    code, out, err = told(capsys, command, "my.yaml")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not (folder / "runs").exists()


def write_rows(folder: Path, *rows: str) -> None:
    (folder / "my.yaml").write_text("task: sentiment\ndata: my.csv\n")
    (folder / "my.csv").write_bytes(("\n".join(rows) + "\n").encode())


GOOD = [f"fine film {n},yes\nsad film {n},no" for n in range(20)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["review,label", *GOOD], "no column 'text' for data.text. Did you mean 'review'?"),
        (["text,label", *GOOD, ",yes"], "my.csv, line 42"),
        (["text,label", *(f"film {n},yes" for n in range(40))], "one label"),
        (["text,label"], "my.csv"),
        (["text,label", *GOOD, "a,b,c"], "my.csv, line 42"),
    ],
)
def test_bad_data_makes_no_run(rows: list[str], message: str, folder: Path, capsys: Output) -> None:
    write_rows(folder, *rows)
    code, out, err = told(capsys, "fit", "my.yaml", "--run", "new")
    assert (code, out) == (2, "")
    assert message in err
    assert not (folder / "new").exists()


def test_check_as_text_and_json(folder: Path, capsys: Output) -> None:
    write_rows(folder, "text,label", *GOOD)
    code, out, err = told(capsys, "check", "my.yaml")
    assert (code, err) == (0, "")
    assert out.endswith("no errors, no warnings.\n")
    code, out, err = told(capsys, "check", "my.yaml", "--format", "json", "--set", "data.limit=10")
    assert (code, err) == (0, "")
    assert json.loads(out)["facts"]["splits"]["train"]["rows"] == 10


def test_check_tells_errors(folder: Path, capsys: Output) -> None:
    write_rows(folder, "text,label", *GOOD, ",yes")
    code, out, err = told(capsys, "check", "my.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("my.csv, line 42: column 'text' is empty.")
    code, out, err = told(capsys, "check", "my.yaml", "--format", "json")
    assert (code, err) == (2, "")
    assert [error["where"] for error in json.loads(out)["errors"]] == ["my.csv, line 42"]


def test_show_says_where_values_come_from(folder: Path, capsys: Output) -> None:
    write_rows(folder, "text,label", *GOOD)
    code, out, _ = told(capsys, "show", "my.yaml", "--set", "train.epochs=3")
    lines = {line.split(":")[0].strip(): line for line in out.splitlines()}
    assert code == 0
    assert lines["epochs"].split() == ["epochs:", "3", "#", "--set"]
    assert lines["batch_size"].split() == ["batch_size:", "auto", "#", "default"]
    assert lines["train"].endswith("my.yaml:2") or "my.yaml:2" in out


def test_show_task_and_schema(capsys: Output) -> None:
    code, out, _ = told(capsys, "show", "--task", "sentiment")
    assert code == 0
    assert "learning_rate" in out
    code, out, _ = told(capsys, "schema")
    assert code == 0
    assert json.loads(out)["title"] == "Recipe"


def test_list(capsys: Output) -> None:
    code, out, _ = told(capsys, "list")
    assert code == 0
    assert out.startswith("Recipes:\n")
    assert "  sentiment/demo  " in out
    assert "Tasks:\n" in out
    assert "\n  sentiment\n" in out
    listed = json.loads(told(capsys, "list", "--format", "json")[1])
    assert "sentiment" in listed["tasks"]
    assert all(Path(recipe["path"]).is_file() for recipe in listed["recipes"])


def test_copy(folder: Path, capsys: Output) -> None:
    assert told(capsys, "copy", "sentiment/demo", ".") == (0, "demo.yaml\n", "")
    code, _, err = told(capsys, "copy", "sentiment/demo", ".")
    assert (code, err) == (2, "demo.yaml: exists. Expected a directory without demo.yaml.\n")
    code, _, err = told(capsys, "copy", "sentiment/dem", "new")
    assert code == 2
    assert "Did you mean 'sentiment/demo'?" in err
    assert not (folder / "new").exists()
    code, _, err = told(capsys, "copy", "sentiment/demo", "demo.yaml")
    assert (code, err) == (2, "demo.yaml: no directory can be made there: File exists.\n")


def test_copy_brings_what_a_recipe_extends(folder: Path, capsys: Output) -> None:
    assert told(capsys, "copy", "sentiment/preset", "new") == (0, "new/preset.yaml\n", "")
    assert told(capsys, "show", "new/preset.yaml")[0] == 0


def test_cache(folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE", str(folder))
    (folder / "abc").mkdir()
    (folder / "abc" / "shard").write_bytes(b"x" * 2**20)
    code, out, _ = told(capsys, "cache")
    assert code == 0
    assert out.startswith("abc       1.0 MiB  ")
    assert out.endswith("1 entries, 1.0 MiB.\n")
    assert json.loads(told(capsys, "cache", "--format", "json")[1])["entries"][0]["size"] == 2**20
    assert told(capsys, "cache", "--clear")[1].endswith("1 entries removed, 1.0 MiB.\n")
    assert told(capsys, "cache") == (0, "0 entries, 0.0 MiB.\n", "")


# -- runs -----------------------------------------------------------------------------------------


def test_fit_prints_the_result_alone(tiny_data: Path, tmp_path: Path, capsys: Output) -> None:
    target = tmp_path / "new"
    recipe = str(tiny_data / "tiny.yaml")
    code, out, err = told(capsys, "fit", recipe, "--run", str(target), "--set", "export=none")
    assert code == 0
    assert out == (
        f"test split, 8 rows\n  accuracy  1.0000\nrun     {target}\nreport  {target}/report.txt\n"
    )
    assert "epoch 2/2" in err
    code, out, err = told(capsys, "fit", recipe, "--run", str(target))
    assert (code, out) == (2, "")
    assert "the run directory exists already. Add --resume to go on" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "--resume needs --run"),
        (["--resume", "--run", "new"], "nothing to resume"),
        (["--set", "train.batch_size=1000", "--run", "new"], "fewer rows than train.batch_size"),
        (["--set", "train.devices=gpu:7", "--run", "new"], "there is no GPU 7"),
        (["--set", "model.units=none", "--run", "new"], "--set"),
    ],
)
def test_fit_refuses(
    arguments: list[str], message: str, tiny_data: Path, folder: Path, capsys: Output
) -> None:
    code, out, err = told(capsys, "fit", str(tiny_data / "tiny.yaml"), *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not (folder / "new").exists() or not [
        path for path in (folder / "new").iterdir() if path.name != ".lock"
    ]


def test_evaluate(tiny_run: Any, tiny_data: Path, capsys: Output) -> None:
    expected = (0, "test split, 8 rows\n  accuracy  1.0000\n", "")
    assert told(capsys, "evaluate", str(tiny_run.path)) == expected
    data = str(tiny_data / "tiny.csv")
    command = ["evaluate", str(tiny_run.path), "--data", data, "--format", "json"]
    code, out, _ = told(capsys, *command)
    assert code == 0
    assert json.loads(out) == {"data": data, "rows": 80, "scores": {"accuracy": 1.0}}


@pytest.mark.parametrize(
    ("time_format", "first"),
    [(None, "2024-03-01 06:00:00"), ("%d/%m/%Y %Hh", "01/03/2024 06h")],
)
def test_times_are_written_as_they_are_read(
    tmp_path: Path, time_format: str | None, first: str
) -> None:
    answers = pd.DataFrame({"time": [pd.Timestamp("2024-03-01 06:00"), None], "sold": [1.5, 2.0]})
    for name in ("answers.csv", "answers.jsonl"):
        write_tables([answers], str(tmp_path / name), time_format)
    assert (tmp_path / "answers.csv").read_text() == f"time,sold\n{first},1.5\n,2.0\n"
    lines = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert [json.loads(line)["time"] for line in lines] == [first, None]


def test_predict_text(tiny_run: Any, capsys: Output) -> None:
    code, out, _ = told(
        capsys, "predict", str(tiny_run.path), "--text", "nice", "--text", "sad , x"
    )
    assert code == 0
    lines = [line.rpartition(",")[0] for line in out.splitlines()]
    assert lines == ["text,prediction", "nice,yes", '"sad , x",no']


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_predict_file(
    suffix: str, tiny_run: Any, tiny_data: Path, tmp_path: Path, capsys: Output
) -> None:
    target = tmp_path / f"answers.{suffix}"
    source = str(tiny_data / "tiny.csv")
    assert told(capsys, "predict", str(tiny_run.path), source, "--output", str(target))[0] == 0
    read = pd.read_csv(target) if suffix == "csv" else pd.read_json(target, lines=True)
    assert list(read.columns) == ["id", "text", "label", "prediction", "score"]
    assert (read["prediction"] == read["label"]).all()
    assert read["id"].tolist() == list(range(80))
    assert not list(tmp_path.glob(".*partial"))


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("nice\n\nsad, poor\n", ["text", "prediction", "score"]),
        ('id,text\n7,nice\n8,\n9,"sad, poor"\n', ["id", "text", "prediction", "score"]),
    ],
)
def test_predict_stdin(
    content: str,
    columns: list[str],
    tiny_run: Any,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    code, out, _ = told(capsys, "predict", str(tiny_run.path), "-")
    answers = pd.read_csv(io.StringIO(out), keep_default_na=False)
    assert code == 0
    assert list(answers.columns) == columns
    assert answers["text"].tolist() == ["nice", "", "sad, poor"]
    assert answers["prediction"].tolist()[::2] == ["yes", "no"]


def test_predict_refuses(
    tiny_run: Any, folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "other.csv").write_text("review\nfine\n")
    (folder / "empty.csv").write_text("text\n")
    cases = [
        (["empty.csv"], "empty.csv: no rows below the header"),
        (["other.csv"], "no column 'text' for data.text"),
        (["missing.csv"], "no such file"),
        (["other.csv", "--output", "x.txt"], "Expected a name in .csv or .jsonl"),
        (["other.csv", "--output", "no/x.csv"], "Expected a file in a folder that exists"),
        (["other.csv", "--output", "out.csv"], "no column 'text'"),
    ]
    for arguments, message in cases:
        code, out, err = told(capsys, "predict", str(tiny_run.path), *arguments)
        assert (code, out) == (2, ""), arguments
        assert message in err
    assert not (folder / "out.csv").exists()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"fine\n\xff\n")))
    code, _, err = told(capsys, "predict", str(tiny_run.path), "-")
    assert code == 2
    assert "stdin, line 2: invalid UTF-8" in err


@pytest.mark.parametrize(
    "arguments", [["evaluate"], ["export"], ["predict", "--text", "x"]], ids=lambda a: a[0]
)
def test_what_is_no_run_is_said(arguments: list[str], folder: Path, capsys: Output) -> None:
    name, *rest = arguments
    code, out, err = told(capsys, name, str(folder), *rest)
    assert (code, out) == (2, "")
    assert "not a run directory" in err


def test_export_and_verify(tiny_run: Any, tmp_path: Path, capsys: Output) -> None:
    target = str(tmp_path / "model")
    assert told(capsys, "export", str(tiny_run.path), target) == (0, f"{target}\n", "")
    (tmp_path / "model" / "examples.json").write_text("{}")
    code, out, err = told(capsys, "verify", target)
    assert (code, out) == (4, "")
    assert err == f"{target}: changed since the export:\n  examples.json: changed\n"


def test_nothing_is_a_click_exception_of_its_own() -> None:
    assert run(["--no-such"]) == 2
    assert issubclass(click.UsageError, click.ClickException)
