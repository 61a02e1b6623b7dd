"""`python -m asw_gateway.cli …` is `aswctl …`."""

from asw_gateway.cli.main import main

main(prog_name="aswctl")
