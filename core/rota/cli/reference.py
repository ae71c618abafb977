"""The command reference, written from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click


HEAD = """\
# Commands

Written from the commands themselves by `make docs`; a test compares.
"""


def markdown(root: click.Group, name: str = "rota") -> str:
    """Return docs/cli.md: every command with its arguments, flags and defaults."""
    context = click.Context(root, info_name=name)
    return "\n".join([HEAD, *_sections(root, context)]).rstrip() + "\n"


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    if command.hidden:
        return
    yield f"## `{context.command_path}`\n"
    if told := inspect.cleandoc(command.help or "").replace("\b\n", ""):
        yield f"{told}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```\n{context.command_path} {usage}".rstrip() + "\n```\n"
    if rows := [row for param in command.params if (row := _row(param, context))]:
        yield "| | |\n|---|---|"
        yield from rows
        yield ""
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                below = click.Context(found, parent=context, info_name=child)
                yield from _sections(found, below)


def _row(param: click.Parameter, context: click.Context) -> str:
    record = param.get_help_record(context)
    if record is None:
        return ""
    left, right = (" ".join(cell.split()).replace("|", "\\|") for cell in record)
    return f"| `{left}` | {right} |" if right else ""
