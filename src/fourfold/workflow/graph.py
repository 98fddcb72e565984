"""Check a workflow: find every step's node, arguments and inputs, match their types, and put the steps in order.

``check`` finds all problems at once; only what has none becomes a ``Graph``, and only a ``Graph`` can be run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from fourfold.core.errors import FourfoldError, near
from fourfold.workflow.node import Node, PortSpec, Tools
from fourfold.workflow.ports import ImageType
from fourfold.workflow.schema import Problem, Step, Text, Workflow, WorkflowProblems


@dataclass(frozen=True)
class Source:
    """Where an input of a step comes from: the output of another step."""

    step: str
    output: str


@dataclass(frozen=True)
class BoundStep:
    """A step that can be run.

    Attributes:
        name: of the step; node: what it does.
        parameters: every parameter by name, parsed; arguments: the same as the node's function takes them.
        inputs: where each connected port comes from.
    """

    name: str
    node: Node
    parameters: dict[str, Any]
    arguments: dict[str, Any]
    inputs: dict[str, Source]


@dataclass(frozen=True)
class Graph:
    """A workflow that can be run: its tasks, each after those it takes something from, loading ones first."""

    workflow: Workflow
    tasks: tuple[BoundStep, ...]

    def before(self, name: str) -> tuple[BoundStep, ...]:
        """The task of that name and all that it depends on, in order."""
        wanted = {name}
        for task in reversed(self.tasks):
            if task.name in wanted:
                wanted |= {source.step for source in task.inputs.values()}
        return tuple(task for task in self.tasks if task.name in wanted)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file that a parameter names, with its step, in order."""
        for task in self.tasks:
            yield from ((task.name, value) for value in task.parameters.values() if isinstance(value, Path))

    def infer(self, known: Mapping[str, ImageType]) -> None:
        """Check the types once more with those of loaded photos, by the step that gave each.

        Raises:
            WorkflowProblems: some do not fit.
        """
        problems = list(_mistyped(self.workflow, self.tasks, known))
        if problems:
            raise WorkflowProblems(self.workflow.source, problems)


def nodes_of(workflow: Workflow, nodes: Mapping[str, Node]) -> Iterator[tuple[str, Node]]:
    """The node of every step as the file alone says, by the step's name; steps without one are left out."""
    for step in workflow.steps.values():
        node = nodes.get(step.node.value or "")
        choice = step.arguments.get(node.chooses) if node else None
        if node is not None:
            yield step.name, node.variants.get((choice and choice.value) or "", node)


def file_parameters(workflow: Workflow, nodes: Mapping[str, Node]) -> Iterator[tuple[str, str]]:
    """Every parameter of a workflow that is a file, as ``step.parameter``, and what is written for it, if anything.

    What may be read is decided by this list: files that a client of the service names are found by it and refused.
    """
    for step, node in nodes_of(workflow, nodes):
        for name, parameter in node.parameters.items():
            if parameter.kind is Path:
                text = workflow.steps[step].arguments.get(name)
                yield f"{step}.{name}", (text.value or "") if text else ""


def check(workflow: Workflow, nodes: Mapping[str, Node], tools: Tools, given: Mapping[str, str] | None = None) -> Graph:
    """Check a workflow.

    Args:
        workflow: as read.
        nodes: every node there is, by name.
        tools: to ask for networks.
        given: values of inputs, and of parameters as ``step.parameter``; None to check without them, when inputs that
            must be given may be missing.

    Raises:
        WorkflowProblems: it cannot be run; every reason at once, with its place.
    """
    checker = _Checker(workflow, nodes, tools, given, [*workflow.problems])
    tasks = checker.tasks()
    if checker.problems:
        raise WorkflowProblems(workflow.source, checker.problems)
    return Graph(workflow, tasks)


@dataclass
class _Checker:
    workflow: Workflow
    nodes: Mapping[str, Node]
    tools: Tools
    given: Mapping[str, str] | None
    problems: list[Problem]
    _used: set[str] = field(default_factory=set)
    _nodes: dict[str, Node] = field(default_factory=dict)

    def tasks(self) -> tuple[BoundStep, ...]:
        """The tasks in order, as far as they are sound; ``problems`` says what is not."""
        for step in self.workflow.steps.values():
            self._find_node(step)
        self._check_given()
        found = {step.name: task for step in self.workflow.steps.values() if (task := self._task(step)) is not None}
        for name, text in self.workflow.inputs.items():
            if name not in self._used:
                self._note(text.line, f"input {name}", f"no step uses it; write ${name} where its value belongs")
        ordered = self._ordered(found)
        self.problems += _mistyped(self.workflow, ordered, {})
        return ordered

    def _find_node(self, step: Step) -> None:
        """The node of a step; where one of its parameters chooses the others, with those that it leaves."""
        node = self.nodes.get(step.node.value or "")
        if node is None:
            return
        if node.chooses:
            text, where = self._text(step, node.chooses)
            try:
                node = node.of(text.value) if text is not None and text.value is not None else node
            except FourfoldError as error:
                self._note(text.line if text else step.line, where, str(error))
        self._nodes[step.name] = node

    def _check_given(self) -> None:
        inputs = [*self.workflow.inputs]
        known = [*inputs, *(f"{step}.{name}" for step in self._nodes for name in self._nodes[step].parameters)]
        for name in self.given or {}:
            if name not in known:
                listed = ", ".join([*inputs, "STEP.PARAMETER"])
                self._note(0, "", f"there is no input {name!r} to set; expected {listed}.{near(name, known)}")

    def _task(self, step: Step) -> BoundStep | None:
        where, known = f"step {step.name}", list(self.nodes)
        node = self._nodes.get(step.name)
        self._used |= {word for text in step.arguments.values() if (word := _input(text))}
        if node is None and step.node.value is None:
            return None
        if node is None:
            name = step.node.value
            self._note(step.node.line, where, f"there is no node {name!r}; expected {', '.join(known)}."
                       f"{near(str(name), known)}")  # fmt: skip
            return None
        before = len(self.problems)
        expected = [*node.inputs, *node.parameters]
        for name, text in step.arguments.items():
            if name not in expected:
                self._note(text.line, where, f"{node.name} has no {name!r}; expected {', '.join(expected)}."
                           f"{near(name, expected)}")  # fmt: skip
        parameters = self._values(step, node)
        inputs = {
            name: source for name, port in node.inputs.items() if (source := self._source(step, name, port)) is not None
        }
        lacking = [name for name, port in node.inputs.items() if port.required and name not in inputs]
        if lacking or len(self.problems) > before:
            return None
        try:
            arguments = node.arguments(parameters)
            node.models(self.tools, arguments)
        except FourfoldError as error:
            self._note(step.line, where, str(error))
            return None
        return BoundStep(step.name, node, parameters, arguments, inputs)

    def _values(self, step: Step, node: Node) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, parameter in node.parameters.items():
            text, where = self._text(step, name)
            if text is None or text.value is None:
                if parameter.required and (text is None or self.given is not None):
                    word = _input(step.arguments.get(name, Text(None, 0)))
                    cure = f"give it with --set {word}=…" if word else f"add the line {name}: …"
                    self._note(step.line, f"step {step.name}", f"{node.name} needs {name}; {cure}")
                found[name] = parameter.default
                continue
            try:
                found[name] = parameter.parse(text.value)
            except FourfoldError as error:
                self._note(text.line, where, str(error))
        return found

    def _text(self, step: Step, name: str) -> tuple[Text | None, str]:
        """A parameter as set for this run, else as written or as its input says, None if nowhere; and where that is."""
        text, where, given = step.arguments.get(name), f"step {step.name}", self.given or {}
        if f"{step.name}.{name}" in given:
            return Text(given[f"{step.name}.{name}"], text.line if text else step.line), where
        word = _input(text) if text else None
        if text is None or word is None:
            return text, where
        if word not in self.workflow.inputs:
            known = list(self.workflow.inputs)
            self._note(text.line, where, f"there is no input {word!r}; expected "
                       f"{', '.join(known) or 'it under inputs:'}.{near(word, known)}")  # fmt: skip
            return Text(None, text.line), where
        default = self.workflow.inputs[word]
        return Text(given.get(word, default.value), default.line), f"input {word}, for step {step.name}"

    def _source(self, step: Step, name: str, port: PortSpec) -> Source | None:
        text, where = step.arguments.get(name), f"step {step.name}"
        if text is None or text.value is None:
            if port.required:
                self._note(step.line, where, f"{name} is not connected; add the line {name}: STEP, a step that gives "
                           f"{_article(port.kind)}")  # fmt: skip
            return None
        given, _, output = text.value.partition(".")
        other = self.workflow.steps.get(given)
        if other is None:
            known = [one for one in self.workflow.steps if one != step.name]
            self._note(text.line, where, f"{name}: there is no step {given!r}; expected one of "
                       f"{', '.join(known) or 'the steps'}.{near(given, known)}")  # fmt: skip
            return None
        node = self._nodes.get(other.name)
        return None if node is None else self._output(Source(given, output), node, port, (text.line, where, name))

    def _output(self, source: Source, node: Node, port: PortSpec, place: tuple[int, str, str]) -> Source | None:
        line, where, name = place
        if source.output and source.output not in node.outputs:
            known = list(node.outputs)
            self._note(line, where, f"{name}: step {source.step} has no output {source.output!r}; expected "
                       f"{', '.join(known)}.{near(source.output, known)}")  # fmt: skip
            return None
        offered = [source.output] if source.output else list(node.outputs)
        fitting = [output for output in offered if node.outputs[output].kind == port.kind]
        if len(fitting) == 1:
            return Source(source.step, fitting[0])
        if fitting:
            choice = " or ".join(f"{source.step}.{output}" for output in fitting)
            self._note(line, where, f"{name}: step {source.step} has several outputs that fit; write {choice}")
            return None
        gives = " and ".join(_article(node.outputs[output].kind) for output in offered)
        able = [one.name for one in self.nodes.values() if port.kind in {spec.kind for spec in one.outputs.values()}]
        self._note(line, where, f"{name} takes {_article(port.kind)}, but step {source.step} ({node.name}) gives "
                   f"{gives}; connect a step whose node is {' or '.join(able)}")  # fmt: skip
        return None

    def _ordered(self, found: dict[str, BoundStep]) -> tuple[BoundStep, ...]:
        sorter = TopologicalSorter({name: self._needs(step) for name, step in self.workflow.steps.items()})
        try:
            sorter.prepare()
        except CycleError as error:
            circle = error.args[1][::-1]
            first = min(circle, key=list(self.workflow.steps).index)
            at = circle.index(first)
            round_ = [*circle[at:-1], *circle[:at], first] if at else circle
            self._note(self.workflow.steps[first].line, f"step {first}", "its output comes back to itself: "
                       f"{' → '.join(round_)}; take one of these connections out")  # fmt: skip
            return ()
        ordered: list[str] = []
        while sorter.is_active():
            ready = sorter.get_ready()
            ordered += sorted(ready, key=list(self.workflow.steps).index)
            sorter.done(*ready)
        return tuple(found[name] for name in ordered if name in found)

    def _needs(self, step: Step) -> Iterator[str]:
        node = self._nodes.get(step.name)
        for name in node.inputs if node else ():
            given = (step.arguments[name].value or "").partition(".")[0] if name in step.arguments else ""
            if given in self.workflow.steps:
                yield given

    def _note(self, line: int, where: str, text: str) -> None:
        if (problem := Problem(line, where, text)) not in self.problems:
            self.problems.append(problem)


def _input(text: Text) -> str | None:
    return text.value[1:] if text.value and text.value.startswith("$") else None


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _mistyped(workflow: Workflow, tasks: tuple[BoundStep, ...], known: Mapping[str, ImageType]) -> Iterator[Problem]:
    """Infer the type of every image in order; where one cannot be, say so and go on without it."""
    types: dict[str, ImageType] = {}
    for task in tasks:
        images = {
            name: types.get(source.step, ImageType())
            for name, source in task.inputs.items()
            if task.node.inputs[name].kind == "image"
        }
        step = workflow.steps[task.name]
        try:
            inferred = task.node.infer(images, task.arguments)
        except FourfoldError as error:
            yield Problem(step.line, f"step {task.name}", str(error))
            continue
        found = known.get(task.name, inferred)
        if found is not None:
            types[task.name] = found if images else replace(found, origin=task.name)
