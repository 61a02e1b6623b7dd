"""aswctl: what a person does on the machine of a gateway. One module a command; see `main.COMMANDS`."""
