"""What the gateway must know of a document to route, order and remember it; the rest stays in the XML."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class DocumentFacts:
    """Facts read from a business document, the same from its national and its ASEAN form.

    number: the document's own number; for a response the number it answers is `answers_number`.
    origin_country / destination_country: who sends this message and who receives it (ISO 3166 alpha-2), so
    that routing is the same for a certificate and for the response that travels back.
    issued_at: UTC epoch seconds; a date without a time counts from midnight UTC.
    marks: the codes ticked on the form (box 13 of a Form D), in their order.
    order_key_number: the number under which messages of one document are kept in order.
    """

    document_type: str
    kind: str
    number: str = ""
    version: str = ""
    origin_country: str = ""
    destination_country: str = ""
    issued_at: float | None = None
    previous_number: str | None = None
    functional_reference: str | None = None
    answers_number: str | None = None
    answers_reference: str | None = None
    response_function: str | None = None
    response_status: str | None = None
    marks: tuple[str, ...] = ()

    @property
    def order_key_number(self) -> str:
        return self.answers_number or self.number
