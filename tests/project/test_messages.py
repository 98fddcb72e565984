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
WALKED = ("imaging", "api/targets.py", "api/names.py", "api/restore.py", "api/batch/places.py", "core/machine.py")
REFUSALS = {"PictureError", "NotEnough", "UsageError", "InvalidInput", "kind"}
ADVICE = re.compile(
    r"\b([Cc]opy|[Ss]ave|[Cc]onvert|[Ee]xport|[Gg]ive|[Uu]se|[Mm]ake|[Rr]ename|[Cc]heck|[Dd]evelop|[Aa]sk|[Cc]lose|"
    r"[Cc]hoose|[Rr]aise|[Ll]ook|[Nn]ame|[Tt]ry|[Ii]nstall|[Tt]ake|[Ff]ree|[Ww]ait|knows|needs|[Pp]ass|[Ss]et)\b"
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
    known = constants()
    found: list[tuple[str, str, str]] = []
    for name, tree in modules():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
        named = [node for node in calls if node.args and ast.unparse(node.func) in REFUSALS]
        found += [(f"{name}:{node.lineno}", ast.unparse(node.func), text(node.args[0], known)) for node in named]
    return found


def passed_on(message: str) -> bool:
    """Whether a refusal only puts the file's name before another one, which is held to the rule itself."""
    return not re.search("[a-z]{3}", message)


def test_the_walk_finds_the_refusals() -> None:
    assert len(refusals()) > 40


@pytest.mark.parametrize(("place", "kind", "message"), refusals(), ids=[place for place, *_ in refusals()])
def test_every_refusal_says_what_to_do(place: str, kind: str, message: str) -> None:
    """Of a value that a program handed over, ``InvalidInput`` says what was expected and what came instead."""
    if passed_on(message):
        return
    if kind == "InvalidInput":
        assert re.search(r"expected|needs|does not fit|differ", message), f"{place}: what was expected? {message!r}"
        return
    assert ADVICE.search(message), f"{place}: what is the person to do? {message!r}"
    assert re.search(
        r"expected|cannot|failed|exists|at most|holds|is|closed|knows|not|would|was|needs|: \{\}", message
    ), place


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
