"""workflow: list, show and check workflows, and print the JSON Schema of workflow files."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fourfold.core.errors import UsageError

if TYPE_CHECKING:
    from fourfold.workflow.node import Node


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="One line a preset.", description="One line a preset.")
    text = "A workflow as a file to start from, or a node with its ports and parameters."
    show = actions.add_parser("show", help=text, description=text)
    show.add_argument("name", metavar="NAME", help="A preset, a .yaml file, or a node.")
    text = "Say everything that keeps workflow files from running."
    check = actions.add_parser("check", help=text, description=text)
    check.add_argument("files", nargs="+", metavar="WORKFLOW", help="A .yaml file, or a preset.")
    text = "The form of workflow files as a JSON Schema, for editors."
    actions.add_parser("schema", help=text, description=text)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for and return the exit code."""
    if args.action == "check":
        return _check(args.files)
    from fourfold.workflow.nodes import NODES
    from fourfold.workflow.presets import presets, text_of
    from fourfold.workflow.schema import find, json_schema

    if args.action == "schema":
        print(json.dumps(json_schema(NODES), indent=2, ensure_ascii=False, default=str))
    elif args.action == "list":
        for name in presets():
            print(f"{name:18} {find(name).title}")
        print(f"\nnodes: {', '.join(NODES)}")
    elif args.name in NODES:
        print("\n".join(_node(NODES[args.name])))
    else:
        print(text_of(args.name), end="")
    return 0


def _check(names: list[str]) -> int:
    from fourfold.api.workflows import NodeTools
    from fourfold.workflow.graph import check
    from fourfold.workflow.nodes import NODES
    from fourfold.workflow.schema import find

    tools, code = NodeTools(), 0
    for name in names:
        try:
            graph = check(find(name), NODES, tools)
        except UsageError as error:
            print(error, file=sys.stderr)
            code = error.exit_code
        else:
            print(f"{name}: sound; runs {', '.join(task.name for task in graph.tasks)}")
    return code


def _node(node: "Node") -> Iterator[str]:
    yield f"{node.name}: {node.help}"
    for title, ports in (("takes", node.inputs), ("gives", node.outputs)):
        for name, port in ports.items():
            yield f"  {title} {name}: {port.kind}{'' if port.required else ', if connected'}. {port.help}"
    for choice, variant in (node.variants or {"": node}).items():
        if choice:
            yield f"  with {node.chooses} {choice}:"
        yield from _parameters(variant)


def _parameters(node: "Node") -> Iterator[str]:
    for name, parameter in node.parameters.items():
        default = "auto" if parameter.param.auto else parameter.default
        usual = "" if default is None else f"; default {default}"
        need = "required" if parameter.required else "optional"
        yield f"  {need} {name}: {parameter.expected()}{usual}. {parameter.param.help}"
