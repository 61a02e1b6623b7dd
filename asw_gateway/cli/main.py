"""
`aswctl [--json] COMMAND …`: readable tables for people, `--json` for scripts.

Exit status: 0 done, 1 it was done and found something wrong, 2 it could not be done.

A command is a line in COMMANDS and a module with a click command or group named `command`, which takes
`@click.pass_obj` to get the `Output`. Modules are loaded when their command is used.
"""

from __future__ import annotations

from importlib import import_module

import click

from asw_gateway import __version__
from asw_gateway.cli.output import Output

COMMANDS = {
    "check-config": ("asw_gateway.cli.check_config", "Check gateway.toml and its partner files."),
    "db": ("asw_gateway.cli.db", "Upgrade the store, back it up, restore it."),
    "evidence": ("asw_gateway.cli.evidence", "Check the evidence that the gateway keeps."),
    "inbox": ("asw_gateway.cli.inbox", "List what came from partners."),
    "messages": ("asw_gateway.cli.messages", "Find messages; replay, discard or cancel one."),
    "overdue": ("asw_gateway.cli.overdue", "List answers that are overdue."),
    "partners": ("asw_gateway.cli.partners", "Look at partners; suspend, resume, ping or wake one."),
    "pki": ("asw_gateway.cli.pki", "Look at certificates."),
    "profile": ("asw_gateway.cli.profile", "Check, try, compare and publish document types."),
    "reconcile": ("asw_gateway.cli.reconcile", "Agree with a partner on what was exchanged."),
    "reload": ("asw_gateway.cli.reload", "Let the gateway read its configuration again."),
    "status": ("asw_gateway.cli.status", "Show what runs and what waits."),
    "submit": ("asw_gateway.cli.submit", "Hand Envelopes to the gateway, as the portal does."),
    "validity": ("asw_gateway.cli.validity", "Tell whether a certificate was valid at a moment, and why."),
}


class _LazyGroup(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[name][0]).command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of tables.")
@click.version_option(__version__, prog_name="aswctl")
@click.pass_context
def main(context: click.Context, as_json: bool) -> None:
    """Operate an ASEAN Single Window gateway."""
    context.obj = Output(as_json)
