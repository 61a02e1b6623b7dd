"""`aswctl profile …`: document types as files, for those who write and publish them."""

from __future__ import annotations

import click

from asw_gateway.cli.profile.check import check
from asw_gateway.cli.profile.convert import convert
from asw_gateway.cli.profile.difference import diff
from asw_gateway.cli.profile.locations import import_locations
from asw_gateway.cli.profile.publish import publish
from asw_gateway.cli.profile.render import render_document
from asw_gateway.cli.profile.trial import test


@click.group("profile")
def command() -> None:
    """Check, try, compare, convert with, and publish document types (see profiles/README.md)."""


for each in (check, convert, diff, import_locations, publish, render_document, test):
    command.add_command(each)
