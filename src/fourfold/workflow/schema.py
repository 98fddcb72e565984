"""Workflow files: parsed with the line number of everything, and described by a JSON Schema.

A workflow file is YAML of one form: ``title``, ``about``, perhaps ``answers`` and ``suits``, then ``inputs`` (name:
default, or nothing where one must be given) and ``steps``. A step names its ``node``; each of its other lines gives a
port (the step whose output flows in, or ``step.output``) or a parameter (a value, or ``$input``). Values are read as
the command line reads them, by the parameter they are for, so YAML's own ideas of numbers and truth play no part.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from fourfold.core.errors import UsageError, near
from fourfold.core.params import Parameter
from fourfold.workflow.node import Node
from fourfold.workflow.presets import text_of

NAME = r"[A-Za-z][A-Za-z0-9_-]{0,39}"
"""Names of steps and inputs; a step's name ends the name of the file it writes."""

_HEAD = {
    "title": "What the workflow does, in a few words.",
    "about": "What it does and gives, in a sentence or two.",
    "answers": "The scientist's task that it carries out, such as image-to-image/super-resolution.",
    "suits": "The condition of a photo that it is for, such as enlarged; without it, it is for any.",
}


@dataclass(frozen=True)
class Text:
    """A value as written, None for nothing, and the line it stands in."""

    value: str | None
    line: int


@dataclass(frozen=True)
class Problem:
    """Something that keeps a workflow from running: its line in the file or 0, the step or input it is in, and what."""

    line: int
    where: str
    text: str

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line else ""
        return ": ".join(part for part in (line, self.where, self.text) if part)


class WorkflowProblems(UsageError):
    """A workflow cannot be run; ``problems`` are all of them, in the order of the file."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.line, problem.where, problem.text)))
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


@dataclass(frozen=True)
class Step:
    """One step as written: its name, the node it names, its other lines, and where it begins."""

    name: str
    node: Text
    arguments: dict[str, Text]
    line: int


@dataclass(frozen=True)
class Workflow:
    """A workflow file, read but not yet checked, see ``workflow.graph.check``.

    Attributes:
        source: name of the file or preset, for messages; title, about, answers, suits: its head, empty if not written.
        inputs: default or None by name; steps: by name, in the order of the file.
        problems: where the file is not of the form; such a workflow is checked as far as it goes, and never run.
    """

    source: str
    title: str = ""
    about: str = ""
    answers: str = ""
    suits: str = ""
    inputs: dict[str, Text] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def plain(self) -> dict[str, Any]:
        """The workflow as plain values; ``from_plain`` makes it again."""
        steps = {
            step.name: {"node": step.node.value, **{name: text.value for name, text in step.arguments.items()}}
            for step in self.steps.values()
        }
        head = {name: value for name in _HEAD if (value := getattr(self, name))}
        return {**head, "inputs": {name: text.value for name, text in self.inputs.items()}, "steps": steps}


def from_plain(values: Mapping[str, Any], source: str) -> Workflow:
    """A workflow from plain values, as ``Workflow.plain`` gives them; raises as ``parse``."""
    return parse(yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True), source)


def parse(text: str, source: str) -> Workflow:
    """Read a workflow file.

    Args:
        text: the file's content.
        source: its name, for messages.

    Raises:
        WorkflowProblems: it is no YAML.
    """
    try:
        return _Reader().workflow(yaml.compose(text, yaml.SafeLoader), source)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = f"this is no YAML ({getattr(error, 'problem', error)})"
        cure = "look at the colons and at how far the lines are indented"
        raise WorkflowProblems(source, [Problem(mark.line + 1 if mark else 1, "", f"{why}; {cure}")]) from error
    except (RecursionError, ValueError, OverflowError) as error:  # brackets in brackets, letters that do not exist
        why = "this cannot be read as YAML; expected a mapping of plain values, two or three levels deep"
        raise WorkflowProblems(source, [Problem(0, "", why)]) from error


def find(name: str) -> Workflow:
    """The workflow in a file, or the preset of that name; raises as ``text_of`` and ``parse``."""
    return parse(text_of(name), name)


class _Reader:
    """Walks a YAML tree once and notes what is not of the form."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def workflow(self, root: yaml.Node | None, source: str) -> Workflow:
        parts = dict(self._entries(root, "", "the keys title, inputs and steps"))
        known = [*_HEAD, "inputs", "steps"]
        for name, (key, _) in parts.items():
            if name not in known:
                self._note(key, "", f"there is no key {name!r}; expected {', '.join(known)}.{near(name, known)}")
        if root is not None and "steps" not in parts:
            self._note(root, "", "expected steps: with at least one step")
        head = {name: self._text(parts[name][1], name).value or "" for name in _HEAD if name in parts}
        inputs = {
            name: self._text(value, f"input {name}")
            for name, (_, value) in self._named("inputs", parts, "input names and their defaults")
        }
        steps = {
            name: step
            for name, (key, value) in self._named("steps", parts, "step names, each with its node")
            if (step := self._step(name, key, value)) is not None
        }
        return Workflow(source, **head, inputs=inputs, steps=steps, problems=tuple(self.problems))

    def _named(
        self, part: str, parts: Mapping[str, tuple[yaml.Node, yaml.Node]], expected: str
    ) -> Iterator[tuple[str, tuple[yaml.Node, yaml.Node]]]:
        for name, pair in self._entries(parts[part][1], part, expected) if part in parts else ():
            if re.fullmatch(NAME, name) is None:
                self._note(pair[0], part, f"expected a name of letters, digits, - and _, got {name!r}")
            yield name, pair

    def _step(self, name: str, key: yaml.Node, value: yaml.Node) -> Step | None:
        where = f"step {name}"
        if not self._first(value, key, where):
            return None
        lines = {
            word: self._text(item, where) for word, (_, item) in self._entries(value, where, "the line node: NAME")
        }
        node = lines.pop("node", Text(None, _line(key)))
        if node.value is None and isinstance(value, yaml.MappingNode):
            self._note(key, where, "expected the line node: NAME, which says what the step does")
        return Step(name, node, lines, _line(key))

    def _entries(
        self, node: yaml.Node | None, where: str, expected: str
    ) -> Iterator[tuple[str, tuple[yaml.Node, yaml.Node]]]:
        """The keys of a mapping, each with its own node and its value's; problems are noted and left out."""
        if not isinstance(node, yaml.MappingNode):
            self._note(node, where, f"expected {expected}, got {_what(node)}")
            return
        found: set[str] = set()
        for key, value in node.value:
            name = self._text(key, where).value or ""
            if name in found:
                self._note(key, where, f"{name} is written twice; leave one of them")
            found.add(name)
            yield name, (key, value)

    def _text(self, node: yaml.Node, where: str) -> Text:
        self._first(node, node, where)
        if not isinstance(node, yaml.ScalarNode):
            self._note(node, where, f"expected one value, got {_what(node)}")
            return Text(None, _line(node))
        empty = node.tag == "tag:yaml.org,2002:null"
        return Text(None if empty else node.value, _line(node))

    def _first(self, node: yaml.Node, place: yaml.Node, where: str) -> bool:
        """Whether a part of the tree was not met before, which an anchor would make possible."""
        new = id(node) not in self._seen
        self._seen.add(id(node))
        if not new:
            self._note(place, where, "expected no YAML anchors; write it out again")
        return new

    def _note(self, node: yaml.Node | None, where: str, text: str) -> None:
        self.problems.append(Problem(1 if node is None else _line(node), where, text))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _what(node: yaml.Node | None) -> str:
    if isinstance(node, yaml.ScalarNode) and node.value:
        return repr(node.value)
    return {"sequence": "a list", "mapping": "a mapping"}.get(getattr(node, "id", ""), "nothing")


def json_schema(nodes: Mapping[str, Node]) -> dict[str, Any]:
    """The form of workflow files as a JSON Schema, for editors that complete and underline while one writes."""
    steps = [
        _step_schema(variant, choice)
        for node in nodes.values()
        for choice, variant in (node.variants or {"": node}).items()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A fourfold workflow",
        "type": "object",
        "required": ["steps"],
        "additionalProperties": False,
        "properties": {
            **{name: {"type": "string", "description": text} for name, text in _HEAD.items()},
            "inputs": {
                "description": "What whoever runs it may set, with defaults; nothing where a value must be given.",
                "type": "object",
                "propertyNames": {"pattern": f"^{NAME}$"},
                "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            },
            "steps": {
                "description": "What is done, each step by name.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{NAME}$"},
                "additionalProperties": {"oneOf": steps},
            },
        },
    }


def _step_schema(node: Node, choice: str) -> dict[str, Any]:
    """The form of a step; ``choice`` is the value of ``node.chooses`` for which it has these parameters."""
    ports = {
        name: {"type": "string", "description": f"{port.help} The step that gives this {port.kind}, or step.output."}
        for name, port in node.inputs.items()
    }
    values = {name: _value_schema(parameter) for name, parameter in node.parameters.items()}
    required = [name for name, port in node.inputs.items() if port.required]
    required += [name for name, parameter in node.parameters.items() if parameter.required]
    if choice:
        values[node.chooses] = {"const": choice, "description": values[node.chooses]["description"]}
        required += [node.chooses] if choice != node.parameters[node.chooses].default else []
    return {
        "title": f"{node.name}: {choice}" if choice else node.name,
        "description": node.help,
        "type": "object",
        "required": ["node", *required],
        "additionalProperties": False,
        "properties": {"node": {"const": node.name}, **ports, **values},
    }


def _value_schema(parameter: Parameter) -> dict[str, Any]:
    """What may stand for a parameter: its value, or the name of an input of the workflow."""
    value = parameter.schema()
    around = {word: value.pop(word) for word in [*value] if word in ("description", "default")}
    if value == {"type": "string"}:
        return {**around, **value}
    return {**around, "anyOf": [value, {"pattern": rf"^\${NAME}$"}]}
