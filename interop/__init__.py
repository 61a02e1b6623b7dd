"""Interoperability with gateways and engines that are not ours."""
