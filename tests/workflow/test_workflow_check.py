"""Broken workflow files, and everything that is said about each."""

import os
import re
from pathlib import Path
from typing import Annotated, NamedTuple

import pytest

from fourfold.cli.main import main
from fourfold.core.errors import UsageError
from fourfold.core.params import Param
from fourfold.methods.condition import KINDS
from fourfold.workflow.graph import check
from fourfold.workflow.node import Port, node
from fourfold.workflow.nodes import NODES
from fourfold.workflow.presets import presets, suited
from fourfold.workflow.schema import WorkflowProblems, find, from_plain, parse

HERE = Path(__file__).parent
BROKEN = sorted((HERE / "broken").glob("*.yaml"))


def task(graph, name):
    return next(one for one in graph.tasks if one.name == name)


def transcript(capsys) -> str:
    lines = []
    for path in BROKEN:
        code = main(["workflow", "check", path.name])
        lines += [f"$ fourfold workflow check {path.name}", capsys.readouterr().err.rstrip(), f"exit code {code}", ""]
    return "\n".join(lines)


def test_every_problem_is_said_at_once_with_its_place_and_a_cure(capsys, monkeypatch):
    monkeypatch.chdir(HERE / "broken")
    assert len(BROKEN) >= 10
    page, said = HERE / "broken.txt", transcript(capsys)
    if os.environ.get("FOURFOLD_UPDATE_DOCS"):
        page.write_text(said)
    assert said == page.read_text()
    assert said.count("exit code 2") == len(BROKEN)


def test_the_guide_is_true(tools):
    guide = (HERE.parents[1] / "docs/guide/workflows.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    written = check(parse(example, "guide"), NODES, tools)
    preset = check(find("upscale"), NODES, tools)
    assert [task.parameters for task in written.tasks] == [task.parameters for task in preset.tasks]
    (messages,) = re.findall(r"```text\n(.*?)```", guide, re.DOTALL)
    said = (HERE / "broken.txt").read_text()
    for message in messages.splitlines():
        assert message.partition(": line ")[2] in said
    assert re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE) == list(NODES)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_what_does_not_check_is_not_run(path, tmp_path, capsys):
    assert main(["run", str(path), "--set", "photo=photo.png", "-o", str(tmp_path / "out")]) == 2
    assert not list((tmp_path / "out").glob("*.*"))
    assert "line" in capsys.readouterr().err


@pytest.mark.parametrize("name", presets())
def test_presets_are_sound_and_survive_being_plain_values(name, tools):
    workflow = find(name)
    graph = check(workflow, NODES, tools)
    again = check(from_plain(workflow.plain(), name), NODES, tools)
    assert [task.parameters for task in graph.tasks] == [task.parameters for task in again.tasks]
    assert [task.inputs for task in graph.tasks] == [task.inputs for task in again.tasks]


def test_one_preset_answers_a_task_on_any_photo_and_at_most_one_on_photos_in_a_condition():
    answered = [(one.answers, one.suits) for name in presets() if (one := find(name)).answers]
    assert len(set(answered)) == len(answered) > 0
    assert {task for task, _ in answered} == {task for task, condition in answered if not condition}
    assert {condition for _, condition in answered} <= {"", *KINDS}


def test_the_workflow_for_a_condition_is_found():
    task = "image-to-image/super-resolution"
    assert find(suited(task, "enlarged")).suits == "enlarged"
    assert suited(task, "noisy") == suited("none", "enlarged") == ""
    for preset in filter(lambda one: find(one).suits, presets()):  # as read without YAML
        assert suited(find(preset).answers, find(preset).suits) == preset


def test_a_step_comes_after_all_it_needs_whatever_the_order_of_the_file(tools):
    text = (
        "steps:\n  out: {node: save, image: big}\n  big: {node: restore, image: in}\n  in: {node: load, file: a.png}\n"
    )
    graph = check(parse(text, "x"), NODES, tools)
    assert [task.name for task in graph.tasks] == ["in", "big", "out"]
    assert [task.name for task in graph.before("big")] == ["in", "big"]


def test_values_are_read_as_the_command_line_reads_them(tools):
    text = (
        'steps:\n  in: {node: load, file: 007, multiple: "4"}\n'
        "  big: {node: restore, image: in, model: auto, tile: 64}\n"
    )
    graph = check(parse(text, "x"), NODES, tools)
    assert task(graph, "in").parameters == {"file": Path("007"), "multiple": 4}
    assert task(graph, "big").parameters["model"] is None
    assert task(graph, "big").parameters["tile"] == 64


def test_given_values_go_before_written_ones(tools):
    given = {"photo": "b.png", "scale": "2", "large.quality": "80"}
    graph = check(find("upscale"), NODES, tools, given)
    assert task(graph, "small").parameters["file"] == Path("b.png")
    assert task(graph, "restored").arguments["options"].scale == 2
    assert task(graph, "large").parameters["quality"] == 80
    with pytest.raises(WorkflowProblems, match=r"input scale, for step restored: scale lies between 1 and 8; got 12"):
        check(find("upscale"), NODES, tools, {**given, "scale": "12"})


def test_an_input_that_must_be_given_is_missed_only_in_a_run(tools):
    check(find("upscale"), NODES, tools)
    with pytest.raises(WorkflowProblems, match="load needs file; give it with --set photo=…"):
        check(find("upscale"), NODES, tools, {})


def test_several_outputs_of_one_kind_ask_for_a_choice(tools):
    class Two(NamedTuple):
        first: Annotated[float, Port("One.")]
        second: Annotated[float, Port("Two.")]

    @node(version=1)
    def two(amount: Annotated[int, Param("Any.")] = 1) -> Two: ...

    @node(version=1)
    def takes(score: Annotated[float, Port("A score.")]) -> Annotated[float, Port("Out.")]: ...

    both = {"two": two, "takes": takes}
    with pytest.raises(WorkflowProblems, match=r"several outputs that fit; write a.first or a.second"):
        check(parse("steps:\n  a: {node: two}\n  b: {node: takes, score: a}\n", "x"), both, tools)
    graph = check(parse("steps:\n  a: {node: two}\n  b: {node: takes, score: a.second}\n", "x"), both, tools)
    assert task(graph, "b").inputs["score"].output == "second"


def test_workflows_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"Did you mean upscale\?"):
        find("upscal")
    with pytest.raises(UsageError, match="expected a workflow file to read"):
        find(str(tmp_path / "gone.yaml"))
