"""One document as an HTML page: Form D in its own layout, every other kind as labelled values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from ..convert import read_facts_national
from ..kind import MessageKind
from ..profile import MANIFEST, Profile
from .form_d import read_form
from .pages import template
from .paper_mark import PaperMark
from .words import Words, read_section

FORM_D_LAYOUT = "form-d"


def render(
    profile: Profile,
    kind: MessageKind,
    content: Any,
    *,
    mark: PaperMark | None = None,
    answer: Any = None,
    language: str = "en",
) -> str:
    """A complete page for a national content element.

    mark: printed at the foot where the page is a conversion to paper.  answer: the national response to the
    document, which fills box 4 of a Form D.  language: `en` or `vi`, of labels and words; a Form D is in
    English whatever the language, as the agreement has it.
    """
    facts = read_facts_national(profile, kind, content)
    on = date.max if facts.issued_at is None else datetime.fromtimestamp(facts.issued_at, UTC).date()
    common: Mapping[str, Any] = {"profile": profile, "kind": kind, "mark": mark, "language": language}
    if layouts(profile).get(kind.national_root) == FORM_D_LAYOUT:
        form = read_form(content, answer, Words(profile, on))
        return template("form_d.html").render(form=form, title=f"Form D {form.number}", **common)
    section = read_section(profile, kind, content, on)
    title = profile.title_vi if language == "vi" else profile.title
    number = facts.number or facts.answers_number or ""
    return template("readable.html").render(
        section=section, title=f"{title} {number}".strip(), number=number, heading=title, **common
    )


def layouts(profile: Profile) -> Mapping[str, str]:
    """The profile's [layouts]: national root element -> the name of a layout of this package."""
    manifest = tomllib.loads(profile.files[MANIFEST].decode("utf-8"))
    found = manifest.get("layouts", {})
    return found if isinstance(found, dict) else {}
