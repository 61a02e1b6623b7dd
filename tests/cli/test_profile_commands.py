"""aswctl profile: check, test, diff and convert, as a person types them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from lxml import etree

from asw_gateway.cli.main import main
from tests.profiles import shelf

FORM_D = "atiga-form-d-2022"
LAST = re.compile(
    r"profiles: 3, examples: (\d+), rules covered: all \(document \d+, store \d+, timer \d+, "
    r"behaviour \d+, outside \d+\), round trips: (\d+) generated, 0 differences"
)


def aswctl(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def phyto(tmp_path: Path) -> Path:
    """A copy of a profile, with the reference folder beside it."""
    for name in ("e-phyto-1.0", shelf.REFERENCE):
        shutil.copytree(shelf.PROFILES / name, tmp_path / name)
    return tmp_path / "e-phyto-1.0"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def line_of(file: Path, text: str) -> int:
    return next(n for n, line in enumerate(file.read_text().splitlines(), 1) if text in line)


def test_the_shipped_profiles_have_no_mistakes() -> None:
    result = aswctl("profile", "check", shelf.PROFILES)
    assert (result.exit_code, result.output) == (0, "profiles: 3, mistakes: 0\n")


def test_check_names_file_and_line_of_mistakes_in_every_file(phyto: Path) -> None:
    edit(
        phyto / "mapping.csv",
        "Phyto/Version,Declaration/VersionID,text",
        "Phyto/Version,Declaration/Versio,tex",
    )
    edit(phyto / "codes/plant-parts.csv", "SED,seeds,hạt giống,,", "SED,seeds,hạt giống,2026-13-01,")
    edit(phyto / "rules.csv", "P-01,error", "P-01,fatal")
    edit(phyto / "rules.sch", "count(preceding-sibling::d:Govern", "count(preceding-sibling:::d:Govern")
    edit(phyto / "examples/good-fruit/example.toml", 'kind = "certificate"', "kind = certificate")
    result = aswctl("profile", "check", phyto)
    assert result.exit_code == 1
    places = {
        tuple(line.split(": ")[0].split("e-phyto-1.0/")[1].split(":"))
        for line in result.output.splitlines()[:-1]
    }
    assert places == {
        ("mapping.csv", str(line_of(phyto / "mapping.csv", "Declaration/Versio,tex"))),
        ("codes/plant-parts.csv", str(line_of(phyto / "codes/plant-parts.csv", "2026-13-01"))),
        ("rules.csv", str(line_of(phyto / "rules.csv", "P-01,fatal"))),
        ("rules.sch", str(line_of(phyto / "rules.sch", ":::"))),
        ("examples/good-fruit/example.toml", "2"),
    }
    assert result.output.splitlines()[-1] == "profiles: 1, mistakes: 5"


@pytest.mark.parametrize(
    ("file", "old", "new", "marked", "said"),
    [
        ("profile.toml", 'version = "1.0"', "version = 1.0", "version = 1.0", "version must be a text"),
        (
            "profile.toml",
            'effect = "cancels"',
            'effect = "ends"',
            'name = "cancellation"',
            "effect is not one of",
        ),
        ("profile.toml", 'procedure = "ASW-EPHYTO"', "procedure =", "procedure =", "Invalid value"),
        (
            "mapping.csv",
            "Phyto/Number,Declaration/ID,text",
            "Phyto/Number,Declaration/IDX,text",
            "/IDX",
            "knows no IDX",
        ),
        (
            "mapping.csv",
            "Declaration/Exporter/Name,text",
            "Declaration/ID,text",
            "exporter-name",
            "already mapped",
        ),
        ("declaration.xsd", 'type="t:an512"', 'type="t:an513"', "an513", "an513"),
        ("national.xsd", "</xs:schema>", "</xs:scheme>", "</xs:scheme>", "well-formed"),
        ("rules.sch", 'diagnostics="P-07.1.vi"', "", 'P-07.1"', "Vietnamese sentence is missing"),
        ("profile.toml", '"Phyto"', '"Phyta"', 'name = "certificate"', "declares no element Phyta"),
        ("mapping.csv", "intended-use,Phyto/", "intended-use,Phyta/", "Phyta", "row is never used"),
        ("rules.csv", "P-02,error,document", "P-02,error,outside", 'P-02.1"', "has no row of kind document"),
        ("rules.csv", "example:bad-p03-numbering", "example:bad-p03", "bad-p03", "no example bad-p03"),
    ],
)
def test_check_points_at_the_line(phyto: Path, file: str, old: str, new: str, marked: str, said: str) -> None:
    edit(phyto / file, old, new)
    result = aswctl("profile", "check", phyto)
    where = "rules.sch" if "has no row" in said else file
    expected = f"{phyto / where}:{line_of(phyto / where, marked)}: "
    assert result.exit_code == 1
    assert any(line.startswith(expected) and said in line for line in result.output.splitlines()), (
        result.output
    )


def test_an_element_that_no_row_carries_is_a_mistake(phyto: Path) -> None:
    lines = (phyto / "mapping.csv").read_text().splitlines(keepends=True)
    (phyto / "mapping.csv").write_text("".join(line for line in lines if not line.startswith("intended-use")))
    result = aswctl("profile", "check", phyto)
    line = line_of(phyto / "national.xsd", 'name="IntendedUse"')
    said = "no mapping row carries Phyto/Items/Item/IntendedUse: its value would be lost"
    assert f"{phyto}/national.xsd:{line}: {said}" in result.output.splitlines()


def test_quick_trial_of_all_profiles() -> None:
    result = aswctl("profile", "test", "--quick", shelf.PROFILES)
    last = LAST.fullmatch(result.output.splitlines()[-1])
    assert last is not None, result.output
    assert int(last[1]) >= 60 and int(last[2]) >= 400
    assert result.exit_code == 0


def test_the_trial_of_one_profile_notices_what_is_not_as_its_example_says(phyto: Path) -> None:
    assert aswctl("profile", "test", "--quick", phyto).exit_code == 0
    edit(phyto / "examples/good-fruit/asean.xml", "12500", "12501")
    edit(phyto / "examples/bad-p01-same-country/example.toml", 'rule = "P-01"', 'rule = "P-99"')
    result = aswctl("profile", "test", "--quick", phyto)
    assert result.exit_code == 1
    assert "e-phyto-1.0/examples/good-fruit: the national document translates into another" in result.output
    assert "GoodsMeasure/NetNetWeightMeasure: 12500 where 12501 is expected" in result.output
    assert "expected problem did not come: side asean, rule P-99" in result.output
    assert "rule P-01: no example breaks it" in result.output
    assert re.search(r"rules covered: all but 1 \(.*, [1-9]\d* differences$", result.output.splitlines()[-1])


def test_diff_of_two_versions(phyto: Path, tmp_path: Path) -> None:
    newer = tmp_path / "e-phyto-1.1"
    shutil.copytree(phyto, newer)
    assert aswctl("profile", "diff", phyto, newer).output == "0 added, 0 removed, 0 changed\n"
    edit(newer / "profile.toml", 'version = "1.0"', 'version = "1.1"')
    edit(newer / "codes/plant-parts.csv", "GRN,grain,hạt ngũ cốc,,\n", "")
    edit(newer / "codes/intended-uses.csv", "OTH,other", "FOD,animal food,thức ăn chăn nuôi,,\nOTH,other")
    edit(newer / "rules.sch", "The botanical name must be in Latin letters", "The name must be Latin")
    edit(
        newer / "national.xsd",
        '<xs:element name="CommonName" type="t:an256"',
        '<xs:element name="CommonName" type="t:an70"',
    )
    edit(newer / "mapping.csv", "hs-code,", "commodity-code,")
    result = aswctl("profile", "diff", phyto, newer)
    assert result.exit_code == 1
    for line in (
        "~ profile version: 1.0 → 1.1",
        "- field hs-code",
        "+ field commodity-code",
        "~ element national Phyto/Items/Item/CommonName max_length: 256 → 70",
        "- code plant-parts GRN",
        "+ code intended-uses FOD",
    ):
        assert line in result.output.splitlines(), result.output
    assert re.search(
        r"~ rule P-08\.1 \(document\) message: The botanical name .* → The name must be Latin", result.output
    )
    changes = json.loads(aswctl("--json", "profile", "diff", phyto, newer).output)
    assert {
        "what": "code",
        "name": "plant-parts GRN",
        "change": "removed",
        "before": "",
        "after": "",
    } in changes


def test_convert_there_and_back(tmp_path: Path) -> None:
    example = shelf.PROFILES / "e-phyto-1.0/examples/good-fruit"
    there, back = tmp_path / "there.xml", tmp_path / "back.xml"
    words = ("profile", "convert", "--profiles", shelf.PROFILES, "--on", "2026-11-22")
    result = aswctl(*words, example / "national.xml", "-o", there)
    assert (result.exit_code, result.output) == (0, "")
    assert b"<TypeCode>851</TypeCode>" in there.read_bytes()
    assert aswctl(*words, there, "-o", back).exit_code == 0
    assert b"<BotanicalName>Selenicereus undatus</BotanicalName>" in back.read_bytes()


def test_convert_tells_problems_and_losses() -> None:
    words = ("profile", "convert", "--profiles", shelf.PROFILES, "--on", "2026-11-22")
    examples = shelf.PROFILES / "e-phyto-1.0/examples"
    result = aswctl(*words, examples / "bad-p06-no-chemical/national.xml")
    assert result.exit_code == 1 and result.stdout == ""
    assert "A fumigation, dip or spraying must name its chemical and concentration." in result.stderr
    result = aswctl(*words, examples / "loss-unknown-statement/asean.xml")
    assert result.exit_code == 0 and "<Phyto>" in result.stdout
    assert "loss LOSS Declaration/AdditionalInformation/StatementDescription" in result.stderr
    result = aswctl(*words, examples / "good-cancellation/national.xml")
    assert result.exit_code == 2 and "may be a document of acdd-1.08" in result.stderr


def test_publish_writes_a_pack_that_explains_itself_and_is_the_same_each_time(tmp_path: Path) -> None:
    result = aswctl("profile", "publish", shelf.PROFILES, "-o", tmp_path / "a")
    assert result.exit_code == 0, result.output
    pack = tmp_path / "a" / FORM_D
    manifest = json.loads((pack / "manifest.json").read_text())
    assert (manifest["document_type"], manifest["version"]) == ("atiga-form-d", "2022")
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((pack / name).read_bytes()).hexdigest() == digest, name
    page = (pack / "index.html").read_text()
    links = [link for link in re.findall(r'href="([^"]+)"', page) if not link.startswith("#")]
    assert links and all((pack / link).is_file() for link in links)
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))
    for text in (
        "FormD/Items/Item/OriginCriterion",
        "StatementTypeCode=ORC",
        "Vietnamese",
        "R-06.1",
        "hs-lists",
    ):
        assert text in page
    assert aswctl("profile", "publish", shelf.PROFILES, "-o", tmp_path / "a").exit_code == 2
    assert aswctl("profile", "publish", shelf.PROFILES, "-o", tmp_path / "b").exit_code == 0
    for name in shelf.names():
        archive = f"{name}.zip"
        assert (tmp_path / "a" / archive).read_bytes() == (tmp_path / "b" / archive).read_bytes()


def test_the_schemas_of_a_pack_stand_alone(tmp_path: Path) -> None:
    """A partner validates with any tool: every include is in the folder."""
    assert aswctl("profile", "publish", shelf.PROFILES / FORM_D, "-o", tmp_path).exit_code == 0
    pack = tmp_path / FORM_D
    for side, sample in (("national", "national"), ("asean", "asean")):
        schema = etree.XMLSchema(file=str(pack / "schemas" / f"{side}.xsd"))
        schema.assertValid(
            etree.parse(
                pack / "samples/good-one-item" / f"{sample}.xml", etree.XMLParser(remove_blank_text=True)
            )
        )


def test_two_profiles_may_not_share_what_leads_to_one(phyto: Path) -> None:
    twin = phyto.parent / "e-phyto-1.1"
    shutil.copytree(phyto, twin)
    edit(twin / "profile.toml", 'name = "e-phyto-1.0"', 'name = "e-phyto-1.1"')
    result = aswctl("profile", "check", phyto.parent)
    assert result.exit_code == 1
    manifest = twin / "profile.toml"
    assert set(result.output.splitlines()[:-1]) == {
        f"{manifest}:{line_of(manifest, text)}: {said} belongs to e-phyto-1.0 already"
        for text, said in (
            ("service =", "service urn:asw:e-phyto:1.0"),
            ("customization_version =", "customization_version 100"),
            ('version = "1.0"', "version 1.0"),
        )
    }
