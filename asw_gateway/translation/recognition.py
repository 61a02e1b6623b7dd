"""Which profile, kind and side a file is: for the tools of people, who have no message around it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from attrs import field, frozen
from lxml import etree

from .catalogue import Catalogue
from .envelope import EnvelopeFault, read_envelope
from .kind import MessageKind
from .problem import Problem
from .profile import Profile

_META = "{urn:wco:datamodel:WCO:DocumentMetaData-DMS:2}MetaData"
MAX_BYTES = 20_000_000


@frozen(kw_only=True)
class Recognised:
    """A document with its profile, kind and side; document: its root, or the content of its Envelope."""

    profile: Profile
    kind: MessageKind
    side: str
    document: Any = field(repr=False, eq=False)


class Unrecognised(Exception):
    """The document is of no profile, or of more than one; the text is one sentence."""


def recognise(
    profiles: Iterable[Profile], data: bytes, root: Any, *, on: date, kind_name: str = ""
) -> Recognised:
    """What a document is.  data and root: the file's bytes and its root element.

    An Envelope tells its procedure and function; an ASEAN document its type, function and version; of a
    national document kinds that share a form differ only in name, so the first one is taken unless
    `kind_name` says otherwise.  Raises Unrecognised.
    """
    everything = tuple(profiles)
    if etree.QName(root).localname == "Envelope":
        return _enveloped(everything, data, on)
    side = "asean" if root.tag == _META else "national"
    found = [
        (profile, kind)
        for profile in everything
        for kind in profile.kinds
        if kind_name in ("", kind.name) and _fits(profile, kind, side, root)
    ]
    names = dict.fromkeys(profile.name for profile, _ in found)
    if len(names) > 1:
        raise Unrecognised(f"this may be a document of {', '.join(names)}: say which")
    if not found:
        what = etree.QName(root).localname
        raise Unrecognised(
            f"{what} is a document of no profile here" + (f" as {kind_name}" if kind_name else "")
        )
    return Recognised(profile=found[0][0], kind=found[0][1], side=side, document=root)


def _enveloped(profiles: tuple[Profile, ...], data: bytes, on: date) -> Recognised:
    try:
        envelope = read_envelope(data, MAX_BYTES)
    except EnvelopeFault as fault:
        raise Unrecognised("; ".join(problem.sentence() for problem in fault.problems)) from None
    subject = envelope.subject
    found = Catalogue(profiles).for_submission(subject.document_type, subject.type, subject.function, on)
    if isinstance(found, Problem):
        for profile in profiles:
            for kind in profile.kinds:
                if (profile.procedure, kind.deliver) == (
                    subject.document_type,
                    (subject.type, subject.function),
                ):
                    found = (profile, kind)
        if isinstance(found, Problem):
            raise Unrecognised(found.sentence())
    if envelope.content is None:
        raise Unrecognised("Body/Content of the Envelope holds no document")
    return Recognised(profile=found[0], kind=found[1], side="national", document=envelope.content)


def _fits(profile: Profile, kind: MessageKind, side: str, root: Any) -> bool:
    if side == "national":
        return bool(root.tag == profile.declarations["national"][kind.name].tag)
    document = root.find(f"{{*}}{kind.asean_root}")
    return (
        document is not None
        and (root.findtext("{*}AgencyAssignedCustomizationVersionCode") or "")
        == profile.customization_version
        and (document.findtext("{*}TypeCode") or "") == kind.type_code
        and (document.findtext("{*}FunctionCode") or "") == kind.function_code
    )
