import math
from pathlib import Path
from typing import Any

import pytest

from toolkit.errors import RecipeError
from toolkit.recipe.nodes import Place
from toolkit.recipe.reading import parse, read_text


def mistakes(text: str) -> list[str]:
    _, problems = parse(text, Place("f"))
    return [f"{each.place.line}:{each.place.column} {each.message}" for each in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1.", 1.0), (".5", 0.5), ("-3", -3), ("0x1F", 31), ("0o17", 15),
        ("NO", "NO"), ("yes", "yes"), ("True", True), ("~", None), ("", None), ("'3'", "3"),
        (".inf", math.inf), ("-.INF", -math.inf), ("1_000", "1_000"), ("1:30", "1:30"),
        ("2017-07-01", "2017-07-01"), ("10%", "10%"), ("[1, {b: 2}]", [1, {"b": 2}]),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    root, problems = parse(f"a: {text}", Place("f"))

    assert root is not None
    assert (root.plain(), problems) == ({"a": value}, [])


def test_every_value_knows_its_place() -> None:
    root, _ = parse("a:\n  b: [1, x]\n", Place("f"))

    assert root is not None
    node = root.value["a"].value["b"]
    assert (str(node.key), node.key.column) == ("f:2", 3)
    assert (str(node.place), node.place.column) == ("f:2", 6)
    assert node.value[1].place.column == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", "2:1 a tab cannot indent. Expected spaces."),
        ("a: @x", "1:4 text that begins with @ needs quotes."),
        ("a: *.csv", "1:4 text that begins with * needs quotes; YAML's aliases are not supported."),
        ("a: [|x]", "1:5 text that begins with | needs quotes."),
        ("a: - x", "1:4 a list item must begin on a line of its own."),
        ("a: 'x", "1:4 the quote is not closed."),
        ("a: [1, 2\nb: 3", "1:4 a list that is not closed, or lacks a comma. Expected ',' or ']'."),
        ("a: {b: 1", "1:4 a mapping that is not closed, or lacks a comma. Expected ',' or '}'."),
        ("a: {b: 1}}", "1:10 an unexpected '}'."),
        (
            "a: 1\n b: 2",
            "2:3 unexpected ':'. Indent the line like its neighbours, or quote text that holds "
            "': '.",
        ),
        ("a:\n  - x\n - y", "3:2 the indentation does not match the lines above."),
        ("a: 1\nb\nc: 2", "2:1 a key without ':'. Expected 'key: value'."),
        ('a: "\\q"', "1:6 not valid YAML: found unknown escape character 'q'."),
        ("a: 1\nb: \x00", "2:1 the character '\\x00' is not allowed in YAML."),
        ("? [a]\n: 2", "1:3 a key must be one word."),
        ("---\na: 1\n---\nb: 2", "3:1 a second document. Expected one recipe in a file."),
        ("a: 1\nb: 2\na: 3", "3:1 a: duplicate key, first written in line 1."),
        ("a: !!python/name:os.system x", "1:4 !!python/name:os.system: tags are not supported. "
         "Write the plain value."),
        ("a: &x 1", "1:4 &x: anchors are not supported. Use 'extends'."),
        ("<<: {a: 1}", "1:1 <<: merge keys are not supported. Use 'extends'."),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line(text: str, message: str) -> None:
    assert mistakes(text) == [message]


def test_aliases_are_refused_beside_their_anchor() -> None:
    assert mistakes("a: &x 1\nb: *x") == [
        "1:4 &x: anchors are not supported. Use 'extends'.",
        "2:4 text that begins with * needs quotes; YAML's aliases are not supported.",
    ]


def test_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").touch()

    assert unreadable(tmp_path / "dmo.yaml") == "dmo.yaml: no such file. Did you mean 'demo.yaml'?"
    assert unreadable(tmp_path / "other.yaml") == (
        "other.yaml: no such file. Run 'toolkit list' to see the shipped recipes."
    )


def test_folder_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.yaml").write_bytes(b"task: x\ndata: \xff\n")

    assert unreadable(tmp_path / "a") == "a: a folder. Expected a recipe file. It holds b.yaml."
    assert unreadable(tmp_path / "a" / "b.yaml") == "a/b.yaml:2: byte 0xff is not valid UTF-8."


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: x\r\n")
    root, problems = parse(read_text(tmp_path / "a.yaml"), Place("a.yaml"))

    assert root is not None
    assert (root.plain(), problems) == ({"a": 1, "b": "x"}, [])


def unreadable(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        read_text(path)
    folder = next(each for each in path.parents if each.name.startswith("test_"))
    return str(caught.value).replace(f"{folder}/", "")
