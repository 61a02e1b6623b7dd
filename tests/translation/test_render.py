"""Documents as people read them: every value is there, codes with their words, and pages that fit."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from asw_gateway.messaging.seal import seal
from asw_gateway.translation.render import paper_mark, render
from asw_gateway.translation.trial import flat
from tests.exchange.world import NOW, identity
from tests.profiles import shelf

FORM_D, ACDD, PHYTO = "atiga-form-d-2022", "acdd-1.08", "e-phyto-1.0"
GOOD = sorted(path.parent for path in shelf.PROFILES.glob("*/examples/good-*/national.xml"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def page(profile: str, example: str, kind: str, **more: object) -> str:
    found = shelf.profile(profile)
    chosen = found.kind(kind)
    assert chosen is not None
    return render(found, chosen, national(profile, example), **more)  # type: ignore[arg-type]


def national(profile: str, example: str) -> etree._Element:
    return flat((shelf.PROFILES / profile / "examples" / example / "national.xml").read_bytes())  # type: ignore[no-any-return]


def words(text: str) -> str:
    """What a reader sees, on one line."""
    body = text[text.index("<body>") :]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize("folder", GOOD, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_every_value_of_every_good_example_is_on_its_page(folder: Path) -> None:
    profile = shelf.profile(folder.parts[-3])
    manifest = (folder / "example.toml").read_text()
    kind = profile.kind(re.search(r'^kind = "(.*)"', manifest, re.MULTILINE)[1])  # type: ignore[index]
    assert kind is not None
    content = flat((folder / "national.xml").read_bytes())
    seen = words(render(profile, kind, content))
    coded = {"Mode", "Country", "ExportCountry", "ImportCountry", "OriginCountry", "HsList", "Type", "Mark"}
    for element in content.iter():
        if not len(element) and element.text and not (kind.national_root == "FormD" and element.tag in coded):
            is_line = (
                kind.national_root == "FormD"
                and element.getparent().tag == "Package"
                and element.tag == "Number"
            )
            assert is_line or " ".join(element.text.split()) in seen, element.tag


def test_the_boxes_of_a_form_d() -> None:
    seen = words(page(FORM_D, "good-every-field", "certificate"))
    for label in (
        "1. Goods consigned from (Exporter's business name, address, country)",
        "2. Goods consigned to (Consignee's name, address, country)",
        "3. Means of transport and route (as far as known)",
        "4. For Official Use",
        "5. Item number",
        "6. Marks and numbers on packages",
        "7. Number and type of packages, description of goods",
        "8. Origin criterion",
        "9. Gross weight or other quantity and FOB price where RVC is applied",
        "10. Number and date of invoices",
        "11. Declaration by the exporter",
        "12. Certification",
        "13.",
    ):
        assert label in seen
    assert "500 BG (bag)" in seen and "gross 25000 KGM (kilogram)" in seen and "Issued in Viet Nam" in seen
    assert "HS 10063040 (AHTN 2022)" in seen and "FOB 15750.00 USD" in seen
    assert seen.count("✓") == 6 and "✓ Third Country Invoicing" in seen and "✓ Partial" not in seen
    assert "page 1 of 1" in seen


def test_box_4_is_filled_from_the_customs_response_and_refused_items_are_circled() -> None:
    answer = national(FORM_D, "good-response-partial")
    text = page(FORM_D, "good-five-items", "certificate", answer=answer)
    assert "✓ Preferential Treatment Given" in words(text)
    assert "✓ Preferential Treatment Not Given" in words(text)  # overleaf note 9
    assert "item 2: B04 (origin criterion not met or absent)" in words(text)
    assert re.findall(r'class="refused"[^>]*>(\d+)<', text) == ["2"]


def test_many_items_are_carried_over_to_numbered_pages() -> None:
    text = page(FORM_D, "warn-r32-singapore-51-items", "certificate")
    pages = text.split('<section class="page">')[1:]
    assert len(pages) > 2
    assert [f"page {n} of {len(pages)}" in each for n, each in enumerate(pages, 1)] == [True] * len(pages)
    numbers = re.findall(r'<td class="number"><span>(\d+)<', text)
    assert numbers == [str(n) for n in range(1, 52)]
    assert all("Continuation sheet" in each for each in pages[1:]) and "11. Declaration" in pages[0]


def test_other_documents_are_shown_by_their_labels_in_both_languages() -> None:
    seen = words(page(PHYTO, "good-treated", "certificate"))
    assert "Phytosanitary certificate" in seen and "botanical name Selenicereus undatus" in seen
    assert "treatment VHT vapour heat treatment" in seen and "temperature -0.6 CEL degree Celsius" in seen
    vietnamese = words(page(PHYTO, "good-treated", "certificate", language="vi"))
    assert "tên khoa học Selenicereus undatus" in vietnamese and "xử lý hơi nước nóng" in vietnamese
    assert "container 2" in words(page(ACDD, "good-containers", "declaration"))


def test_what_a_document_says_is_text_and_never_markup() -> None:
    profile = shelf.profile(FORM_D)
    kind = profile.kind("certificate")
    assert kind is not None
    content = national(FORM_D, "good-one-item")
    name = content.find("Exporter/Name")
    assert name is not None
    name.text = "<script>alert('x')</script> & \u202eevil"
    text = render(profile, kind, content)
    assert "<script" not in text
    assert "<bdi>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; \u202eevil</bdi>" in text


def test_the_paper_mark_says_who_signed_and_that_the_signature_holds() -> None:
    signer = identity("TH seal")
    document = seal((shelf.PROFILES / PHYTO / "examples/good-from-thailand/asean.xml").read_bytes(), signer)
    mark = paper_mark(
        document,
        certificates=(signer.certificate,),
        now=NOW,
        phone="+66 2 000 0000",
        email="ca@example.th",
        signed_at=NOW - 60,
        message_id="m1@asw-th",
    )
    assert (mark.verification, mark.agency) == ("valid", "TH seal")
    seen = words(page(PHYTO, "good-from-thailand", "certificate", mark=mark))
    for text in (
        "signed by TH seal",
        "signed at 2026-11-20 07:59:00 UTC",
        "E-mail ca@example.th",
        "phone +66 2 000 0000",
        f"serial {signer.certificate.serial_number:X}",
        "HỢP LỆ · VALID",
        "message m1@asw-th",
        mark.digest,
    ):
        assert text in seen


def test_the_paper_mark_never_claims_more_than_was_verified() -> None:
    signer, other = identity("TH seal"), identity("ID seal")
    plain = (shelf.PROFILES / PHYTO / "examples/good-from-thailand/asean.xml").read_bytes()
    sealed = seal(plain, signer)
    assert paper_mark(sealed, certificates=(), now=NOW).verification == "not checked"
    for document, certificate in (
        (plain, signer),
        (sealed, other),
        (sealed.replace(b"12500", b"92500"), signer),
    ):
        mark = paper_mark(document, certificates=(certificate.certificate,), now=NOW)
        assert mark.verification == "not valid" and mark.reason and not mark.serial
        text = page(PHYTO, "good-from-thailand", "certificate", mark=mark)
        assert "KHÔNG HỢP LỆ · NOT VALID" in words(text) and "HỢP LỆ · VALID" not in words(text).replace(
            "KHÔNG ", ""
        )


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
@pytest.mark.parametrize("example", ["good-one-item", "good-every-field", "warn-r32-singapore-51-items"])
def test_printed_pages_are_as_many_as_the_form_says(example: str, tmp_path: Path) -> None:
    """The estimate of what fits a page holds in a real browser: no page spills over."""
    mark = paper_mark(b"<a/>", certificates=(), now=NOW, agency="Cục Xuất nhập khẩu, Phòng QLXNK KV TP.HCM")
    source, target = tmp_path / "form.html", tmp_path / "form.pdf"
    text = page(FORM_D, example, "certificate", mark=mark)
    source.write_text(text, "utf-8")
    subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
         f"--user-data-dir={tmp_path}/chromium", f"--print-to-pdf={target}", source.as_uri()],
        check=True, capture_output=True, timeout=90,
    )  # fmt: skip
    printed = len(re.findall(rb"/Type\s*/Page\b", target.read_bytes()))
    assert printed == text.count('<section class="page">')
