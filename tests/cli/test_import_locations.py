"""aswctl profile import-locations: the official list by files alone, in UNECE's own layout."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from asw_gateway.cli.main import main
from asw_gateway.translation.codelist import CodeList, read_code_list
from tests.profiles import shelf

BEFORE = """\
code,name_en,name_vi,valid_from,valid_until
VNSGN,Ho Chi Minh City,Thành phố Hồ Chí Minh,,
VNOLD,Closed long ago,,,2020-06-30
VNXXX,Dropped Quay,,,
THBKK,Bangkok,,,
"""
# Two of the parts in which an issue comes: no headings, Latin-1, a head for each country, references.
PART_1 = """\
"","TH","",".THAILAND","","","","","","","",""
"","TH","BKK","Bangkok","Bangkok","10","12345---","AF","0307","","1345N 10031E",""
"+","TH","NEW","Nouveau Méthode","Nouveau Methode","","1-------","RL","2607","","",""
"""
PART_2 = """\
"","VN","",".VIET NAM","","","","","","","",""
"=","VN","","Saigon = Ho Chi Minh City","Saigon = Ho Chi Minh City","","","","","","",""
"|","VN","SGN","Ho Chi Minh, VICT","Ho Chi Minh, VICT","SG","1--45---","AI","0507","","1045N 10640E",""
"","VN","SGN","Thanh Pho Ho Chi Minh","Thanh Pho Ho Chi Minh","SG","1--45---","AI","0507","","",""
"","VN","HPH","Hai Phong","Hai Phong","HP","1--4----","AI","9601","","",""
"","VN","NOT","Rejected","Rejected","","1-------","RR","2601","","",""
"""


def files(folder: Path, *parts: str) -> list[str]:
    (folder / "locations.csv").write_text(BEFORE)
    found = []
    for number, part in enumerate(parts, 1):
        path = folder / f"2026-1 UNLOCODE CodeListPart{number}.csv"
        path.write_bytes(part.encode("latin-1"))
        found.append(str(path))
    return found


def run(folder: Path, *parts: str, issued: str = "2026-07-06") -> Result:
    words = ["profile", "import-locations", *parts, "--issued", issued]
    return CliRunner().invoke(main, [*words, "--into", str(folder / "locations.csv")])


def renewed(folder: Path) -> CodeList:
    return read_code_list("locations", (folder / "locations.csv").read_bytes())


def name(codes: CodeList, code: str, on: date) -> str | None:
    found = codes.find(code, on)
    return found.name_en if found else None


def test_an_issue_is_laid_over_the_list_and_its_changes_have_their_day(tmp_path: Path) -> None:
    result = run(tmp_path, *files(tmp_path, PART_1, PART_2))
    assert result.exit_code == 0
    assert result.output.endswith("locations.csv: 4 codes, 2 new here, 1 renamed, 1 ended\n")
    codes = renewed(tmp_path)
    before, after = date(2026, 7, 5), date(2026, 7, 6)
    assert name(codes, "VNHPH", before) == name(codes, "VNHPH", after) == "Hai Phong"
    assert (name(codes, "THNEW", before), name(codes, "THNEW", after)) == (None, "Nouveau Méthode")
    assert (name(codes, "VNXXX", before), name(codes, "VNXXX", after)) == ("Dropped Quay", None)
    assert (name(codes, "VNOLD", date(2020, 6, 30)), name(codes, "VNOLD", before)) == (
        "Closed long ago",
        None,
    )
    assert name(codes, "VNNOT", after) is None
    saigon = codes.find("VNSGN", after)
    assert saigon and (saigon.name_en, saigon.name_vi) == ("Ho Chi Minh, VICT", "Thành phố Hồ Chí Minh")


def test_the_same_issue_again_changes_nothing(tmp_path: Path) -> None:
    parts = files(tmp_path, PART_1, PART_2)
    run(tmp_path, *parts)
    first = (tmp_path / "locations.csv").read_bytes()
    assert run(tmp_path, *parts).output.endswith("4 codes, 0 new here, 0 renamed, 0 ended\n")
    assert (tmp_path / "locations.csv").read_bytes() == first


def test_a_code_that_comes_back_begins_anew(tmp_path: Path) -> None:
    parts = files(tmp_path, PART_1, PART_2)
    run(tmp_path, *parts)
    back = PART_2 + '"","VN","XXX","Dropped Quay","Dropped Quay","","1-------","RL","2701","","",""\n'
    Path(parts[1]).write_bytes(back.encode("latin-1"))
    assert run(tmp_path, *parts, issued="2027-01-04").exit_code == 0
    codes = renewed(tmp_path)
    days = (date(2026, 7, 5), date(2026, 7, 6), date(2027, 1, 3), date(2027, 1, 4))
    assert [name(codes, "VNXXX", day) for day in days] == ["Dropped Quay", None, None, "Dropped Quay"]


@pytest.mark.parametrize(
    ("parts", "status", "told"),
    [
        ((PART_2,), 2, "no location of TH is in these files: give all parts of the issue"),
        (
            (PART_1, PART_2.replace('"","VN","HPH"', '"","VN","hph"')),
            1,
            "Part2.csv:5: VN hph is not a location",
        ),
        (
            (PART_1, PART_2.replace(',"9601","","",""', ',"9601"')),
            1,
            "Part2.csv:5: 12 columns expected, 9 found",
        ),
        ((PART_1, '"","VN","",".VIET NAM","","","","","","","",""\n'), 1, "no location is in this file"),
    ],
)
def test_files_that_are_not_a_whole_issue_change_nothing(
    tmp_path: Path, parts: tuple[str, ...], status: int, told: str
) -> None:
    result = run(tmp_path, *files(tmp_path, *parts))
    assert result.exit_code == status
    assert told in result.output
    assert (tmp_path / "locations.csv").read_text() == BEFORE


def test_an_older_issue_is_not_laid_over_a_newer_one(tmp_path: Path) -> None:
    parts = files(tmp_path, PART_1, PART_2)
    run(tmp_path, *parts)
    result = run(tmp_path, *parts, issued="2026-01-05")
    assert result.exit_code == 2 and "later issue: 2026-07-06" in result.output


def test_the_shipped_profiles_take_the_renewed_list(tmp_path: Path) -> None:
    for name in ("atiga-form-d-2022", shelf.REFERENCE):
        shutil.copytree(shelf.PROFILES / name, tmp_path / name)
    target = tmp_path / shelf.REFERENCE / "codes" / "locations.csv"
    shipped = read_code_list("locations", target.read_bytes())
    part = tmp_path / "issue.csv"
    rows = [
        f',{code[:2]},{code[2:]},"{entries[0].name_en}",,,1-------,AI,2607,,,'
        for code, entries in shipped.entries.items()
    ]
    part.write_text("\n".join([*rows, ",VN,QNH,Quy Nhon Moi,,,1-------,AI,2607,,,"]) + "\n")
    words = ["profile", "import-locations", str(part), "--issued", "2026-07-06", "--into", str(target)]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert (
        CliRunner().invoke(main, ["profile", "check", str(tmp_path)]).output == "profiles: 1, mistakes: 0\n"
    )
