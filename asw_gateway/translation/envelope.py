"""The VNSW Envelope: values, reader and writers in one place for the other rooms."""

from __future__ import annotations

from .answers import (
    STATUS_PROCEDURE,
    accepted_answer,
    delivery_envelope,
    refused_answer,
    status_envelope,
    write_envelope,
)
from .envelope_reading import read_content, read_envelope
from .envelope_values import Envelope, EnvelopeFault, Organisation, Subject

__all__ = [
    "STATUS_PROCEDURE",
    "Envelope",
    "EnvelopeFault",
    "Organisation",
    "Subject",
    "accepted_answer",
    "delivery_envelope",
    "read_content",
    "read_envelope",
    "refused_answer",
    "status_envelope",
    "write_envelope",
]
