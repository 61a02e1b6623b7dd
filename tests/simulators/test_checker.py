"""The checker finds every planted loss, double and swap, and nothing in a clean run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.checker import check, main
from simulators.facts import read_facts
from tests.simulators.story import Story, envelope


def clean_story() -> Story:
    story = Story()
    for number in range(5):
        story.cross(f"m{number}", f"VN-TH 26/01/0000{number}")
    story.submit("r0", "VN-TH 26/01/00000", party="TH", to="VN", function="05", status="UTL")
    story.deliver("VN-TH 26/01/00000", to="VN", origin="TH", function="05", status="UTL")
    story.tell("r0", "receipted", party="TH")
    story.cross("c0", "VN-TH 26/01/00000", function="03")
    story.submit("bad", "VN-TH 26/01/00099", answer="00")
    story.submit("ruled out", "VN-TH 26/01/00098")
    story.tell("ruled out", "rejected")
    return story


def test_a_clean_run_has_no_findings() -> None:
    report = check(clean_story().records())
    assert report.findings == []
    assert report.summary() == (
        "documents=6 receipts=7 responses=1 duplicates=0 lost=0 reordered=0 stray=0 altered=0 unfinished=0 "
        "refused=1 failed=1"
    )


def lose_a_delivery(story: Story) -> None:
    story.submit("gone", "VN-TH 26/01/00007")
    story.tell("gone", "receipted")


def lose_without_a_word(story: Story) -> None:
    story.submit("silent", "VN-TH 26/01/00007")


def lose_a_feed_entry(story: Story) -> None:
    del story.feeds["TH"][2]


def hide_a_feed_entry(story: Story) -> None:
    story.submit("hidden", "VN-TH 26/01/00007")
    story.deliver("VN-TH 26/01/00007", seen=False)
    story.tell("hidden", "receipted")


def spoil_a_feed_entry(story: Story) -> None:
    story.feeds["TH"][2]["envelope"] = "<Envelope"


@pytest.mark.parametrize(
    "plant", [lose_a_delivery, lose_without_a_word, lose_a_feed_entry, hide_a_feed_entry, spoil_a_feed_entry]
)
def test_a_planted_loss_is_found(plant: Callable[[Story], None]) -> None:
    story = clean_story()
    plant(story)
    report = check(story.records())
    assert report.lost >= 1
    assert report.duplicates == report.reordered == 0
    assert any("lost" in finding for finding in report.findings)


def refuse_at_the_other_end(story: Story, *, number: str) -> None:
    """Receipted, and then answered by the partner's gateway with a technical error about `number`."""
    story.submit("too late", "VN-TH 26/01/00004", function="03")
    story.tell("too late", "receipted")
    text = envelope(
        "e1", number=number, type="20", function="10", origin="", destination="", content="TechnicalError"
    )
    story.feed("VN", text)


def test_what_the_partner_answered_with_a_technical_error_is_not_lost() -> None:
    story = clean_story()
    refuse_at_the_other_end(story, number="VN-TH 26/01/00004")
    report = check(story.records())
    assert report.findings == []
    assert report.failed == 2


def test_a_technical_error_excuses_one_document_and_no_other() -> None:
    story = clean_story()
    refuse_at_the_other_end(story, number="VN-TH 26/01/00003")
    assert check(story.records()).lost == 1
    story = clean_story()
    refuse_at_the_other_end(story, number="VN-TH 26/01/00004")
    story.submit("gone", "VN-TH 26/01/00004", function="03")
    story.tell("gone", "receipted")
    assert check(story.records()).lost == 1


def test_a_cancellation_of_a_document_that_never_left_is_parked_and_not_lost() -> None:
    story = clean_story()
    story.submit("early end", "VN-TH 26/01/00098", function="03")
    story.tell("early end", "receipted")
    report = check(story.records())
    assert report.findings == []
    assert report.failed == 2


def double_under_a_new_id(story: Story) -> None:
    story.deliver("VN-TH 26/01/00003")


def double_with_the_message_id(story: Story) -> None:
    story.deliver("VN-TH 26/01/00003", message_id="net-TH-3")


def double_with_the_entry_id(story: Story) -> None:
    entry = story.feeds["TH"][1]
    story.feed("TH", entry["envelope"], identity=entry["id"])


def double_a_sequence(story: Story) -> None:
    story.submit("other", "VN-TH 26/01/00007")
    story.deliver("VN-TH 26/01/00007", sequence=2, identity="another")
    story.tell("other", "receipted")


@pytest.mark.parametrize(
    "plant", [double_under_a_new_id, double_with_the_message_id, double_with_the_entry_id, double_a_sequence]
)
def test_a_planted_double_is_found(plant: Callable[[Story], None]) -> None:
    story = clean_story()
    plant(story)
    assert check(story.records()).duplicates >= 1


def test_a_swap_within_one_document_is_found() -> None:
    story = Story()
    story.submit("first", "VN-TH 26/01/00001")
    story.submit("then", "VN-TH 26/01/00001", function="03")
    story.deliver("VN-TH 26/01/00001", function="03")
    story.deliver("VN-TH 26/01/00001")
    story.tell("first", "receipted")
    story.tell("then", "receipted")
    report = check(story.records())
    assert (report.reordered, report.lost, report.duplicates) == (1, 0, 0)


def test_two_answers_about_one_document_keep_their_order() -> None:
    story = Story()
    story.cross("m", "VN-TH 26/01/00001")
    for status in ("REJ", "UTL"):
        story.submit(status, "VN-TH 26/01/00001", party="TH", to="VN", function="05", status=status)
        story.tell(status, "receipted", party="TH")
    for status in ("UTL", "REJ"):
        story.deliver("VN-TH 26/01/00001", to="VN", origin="TH", function="05", status=status)
    assert check(story.records()).reordered == 1


def test_different_documents_may_overtake_each_other() -> None:
    story = Story()
    story.submit("a", "VN-TH 26/01/00001")
    story.submit("b", "VN-TH 26/01/00002")
    story.deliver("VN-TH 26/01/00002")
    story.deliver("VN-TH 26/01/00001")
    story.tell("b", "receipted")
    story.tell("a", "receipted")
    assert check(story.records()).clean


def test_a_late_receipt_wins_over_an_expiry() -> None:
    story = Story()
    story.submit("late", "VN-TH 26/01/00001")
    story.deliver("VN-TH 26/01/00001")
    story.tell("late", "expired", "receipted")
    report = check(story.records())
    assert report.clean
    assert report.receipts == 1


def test_another_content_under_the_same_number_is_found() -> None:
    story = clean_story()
    story.submit("other", "VN-TH 26/01/00007", content="of what was handed in")
    story.deliver("VN-TH 26/01/00007")
    story.tell("other", "receipted")
    report = check(story.records())
    assert (report.altered, report.lost, report.stray) == (1, 0, 0)


def test_the_content_that_was_handed_in_is_not_altered() -> None:
    story = clean_story()
    text = envelope("x", number="VN-TH 26/01/00007", type="20")
    story.submit("other", "VN-TH 26/01/00007", content=read_facts(text).digest)
    story.deliver("VN-TH 26/01/00007")
    story.tell("other", "receipted")
    assert check(story.records()).clean


def test_it_says_why_documents_were_refused_or_failed() -> None:
    story = clean_story()
    refuse_at_the_other_end(story, number="VN-TH 26/01/00004")
    story.submit("given up", "VN-TH 26/01/00007")
    story.tell("given up", "expired")
    assert check(story.records()).reasons == {
        "refused no code": 1,
        "rejected no code": 1,
        "technical error no code": 1,
        "expired no code": 1,
    }


def test_what_was_never_sent_or_was_refused_must_not_arrive() -> None:
    story = clean_story()
    story.deliver("VN-TH 26/01/00099")
    story.deliver("VN-TH 26/01/77777")
    assert check(story.records()).stray == 2


def test_what_was_told_as_rejected_must_not_arrive() -> None:
    story = clean_story()
    story.deliver("VN-TH 26/01/00098")
    assert check(story.records()).stray == 1


def test_a_technical_error_answers_no_submission() -> None:
    story = clean_story()
    story.feed("TH", envelope("e", type="20", number="VN-TH 26/01/00001", content="TechnicalError"))
    assert check(story.records()).clean


def test_silence_and_missing_acknowledgements_are_unfinished() -> None:
    story = Story()
    story.submit("unanswered", "VN-TH 26/01/00001", answer=None)
    story.submit("open", "VN-TH 26/01/00002")
    story.deliver("VN-TH 26/01/00002", acknowledged=False)
    story.tell("open", "queued", "sent")
    report = check(story.records())
    assert (report.unfinished, report.lost) == (3, 0)


def test_by_hand_it_reads_a_directory_and_its_exit_status_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(story: Story) -> None:
        for party, record in story.records().items():
            directory = tmp_path / party.lower()
            directory.mkdir(exist_ok=True)
            for name, lines in (("ledger.jsonl", record.ledger), ("feed.jsonl", record.feed)):
                (directory / name).write_text("".join(json.dumps(line) + "\n" for line in lines))

    story = clean_story()
    write(story)
    assert main([str(tmp_path)]) == 0
    assert "\nchecker: PASS documents=6" in capsys.readouterr().out
    lose_a_delivery(story)
    write(story)
    assert main([str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert "lost: VN→TH ASW-EFORMD VN-TH 26/01/00007" in output
    assert "checker: FAIL" in output
    assert main([str(tmp_path / "nothing")]) == 1


def test_the_story_writes_real_envelopes() -> None:
    assert envelope("m", number="A&B").count("A&amp;B") == 1
