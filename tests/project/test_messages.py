"""Every refusal says what was expected, what came and what to do, and every note is a sentence.

Walked in the source: no message can be added that is not held to this. That a refusal names its file is the guard's
work, see ``tests/api/test_bad_files.py``.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fourfold

SOURCE = Path(fourfold.__file__).parent
WALKED = ("imaging", "api", "cli", "core", "serve", "workflow")
OF_FILES = {"PictureError", "NotEnough", "ModelError", "RuntimeFailure", "QualityGate", "kind"}
OF_VALUES = {"UsageError", "ArgumentTypeError", "Problem", "InvalidInput"}
VERBS = (
    "add|ask|change|check|choose|close|come|convert|copy|develop|export|free|give|install|leave|look|lower|make|move|name|pass|"
    "put|raise|remove|rename|report|save|send|set|shorten|stop|take|try|unset|upscale|use|wait"
)
ADVICE = re.compile(rf"(?:^|[.;:,] (?:please )?|\b(?:or|and|to) |\()(?:{VERBS})\b", re.IGNORECASE)
"""A verb that tells the person what to do, where a clause begins."""
EXPECTED = re.compile(
    r"\bexpected\b|\bis (?:one of|true or false)\b|\blies\b|\bneeds\b|\bknows\b|\bat most\b|"
    r"\bgo(?:es)? (?:together|into)\b|; got \{\}"
)
OBSTACLE = re.compile(
    r"\bcannot be\b|\bfailed\b|\bexists already\b|\bis full\b|\bis closed\b|\bare free\b|\bdamaged\b|\bwould replace\b|"
    r"\bwas just written\b|\bis the result of\b|\bholds\b|\bdied\b|\bit took (?:longer|more) than\b"
)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for name in WALKED:
        path = SOURCE / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield str(file.relative_to(SOURCE)), ast.parse(file.read_text("utf-8"))


def text(node: ast.expr, constants: dict[str, str]) -> str:
    """The fixed words of a message, with {} for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text(value, constants) for value in node.values)
    if isinstance(node, ast.FormattedValue):
        return constants.get(ast.unparse(node.value), "{}")
    if isinstance(node, ast.BinOp):
        return text(node.left, constants) + text(node.right, constants)
    return constants.get(ast.unparse(node), "{}")


def constants() -> dict[str, str]:
    """Module constants that are texts, by the names that they are used by."""
    found: dict[str, str] = {}
    for name, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = text(node.value, {})
                if value != "{}":
                    found[node.targets[0].id] = value
                    found[f"{Path(name).stem}.{node.targets[0].id}"] = value
    return found


def refusals() -> list[tuple[str, str, str]]:
    """Place, kind and message of every refusal."""
    known = constants()
    found: list[tuple[str, str, str]] = []
    for name, tree in modules():
        for node in ast.walk(tree):
            kind = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and node.args and kind in OF_FILES | OF_VALUES:
                message = node.args[2] if kind == "Problem" and len(node.args) > 2 else node.args[0]
                found.append((f"{name}:{node.lineno}", kind, text(message, known)))
    return found


def passed_on(message: str) -> bool:
    """Whether a refusal only puts the file's name before another one, which is held to the rule itself."""
    return not re.search("[a-z]{3}", message)


def test_the_walk_finds_the_refusals() -> None:
    assert len(refusals()) > 200
    assert {place.split("/")[0] for place, *_ in refusals()} == {*WALKED}


@pytest.mark.parametrize(("place", "kind", "message"), refusals(), ids=[place for place, *_ in refusals()])
def test_every_refusal_says_what_is_wrong_and_what_to_do(place: str, kind: str, message: str) -> None:
    """Of a value, what was expected says what to give; of a file, a person has to be told what to do."""
    if passed_on(message):
        return
    if kind in OF_VALUES:
        assert EXPECTED.search(message) or ADVICE.search(message), f"{place}: what was expected? {message!r}"
        return
    assert ADVICE.search(message), f"{place}: what is the person to do? {message!r}"
    assert EXPECTED.search(message) or OBSTACLE.search(message), f"{place}: what is wrong? {message!r}"


def notes() -> list[tuple[str, str]]:
    """Texts that are added to what is said of a picture that was read or written."""
    found = []
    for name, tree in modules():
        for node in ast.walk(tree):
            texts: list[ast.expr] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
                holder = ast.unparse(node.func.value)
                texts = node.args if holder in ("notes", "more", "more_notes") else []
            elif isinstance(node, ast.AugAssign) and ast.unparse(node.target) in ("notes", "more"):
                texts = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else []
            found += [(f"{name}:{node.lineno}", text(one, {})) for one in texts]
    return [(place, words) for place, words in found if words != "{}"]


@pytest.mark.parametrize(("place", "words"), notes(), ids=[place for place, _ in notes()])
def test_every_note_is_a_sentence_about_the_picture(place: str, words: str) -> None:
    assert len(words.split()) >= 4, f"{place}: {words!r}"
    assert words[0].isupper() or words[0].isdigit() or words[0] == "{", f"{place}: {words!r}"
    assert not re.search(r"\b(None|True|False|Error|Exception|argument|dtype)\b", words), f"{place}: {words!r}"
