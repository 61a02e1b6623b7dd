"""How fast the gateway is, beside what its libraries allow on the same machine: see README.md."""
