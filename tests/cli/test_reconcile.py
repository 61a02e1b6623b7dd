"""aswctl reconcile: a manifest file from one side, compared on the other."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from asw_gateway.cli.main import main
from asw_gateway.store.database import Database
from tests.store.messages import T0, claim, finish, queued

SINCE = ["--since", "2027-01-14", "--until", "2027-01-17T00:00:00Z"]


def aswctl(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_manifest_compare_and_fallback(tmp_path: Path) -> None:
    vn, th = f"sqlite:///{tmp_path / 'vn.db'}", f"sqlite:///{tmp_path / 'th.db'}"
    store = Database.open(vn, node="vn-1")
    lost, _ = queued(store), queued(store)
    claim(store, limit=1)
    finish(store, lost.id, 1, "delivered")
    store.close_now()
    Database.open(th, node="th-1").close_now()
    file = tmp_path / "manifest.json"
    done = aswctl("reconcile", "manifest", "vn", file, *SINCE, "--database", th)
    assert (done.exit_code, done.output.startswith("0 messages, 2027-01-14")) == (0, True), done.output
    done = aswctl("--json", "reconcile", "compare", "th", file, "--database", vn)
    assert done.exit_code == 1
    [difference] = json.loads(done.output)
    assert (difference["what"], difference["message_id"]) == ("missing_there", lost.message_id)
    done = aswctl("reconcile", "manifest", "th", file, *SINCE, "--database", vn)
    assert json.loads(file.read_text())["entries"][0]["document_number"] == lost.document_number
    done = aswctl("reconcile", "fallback", *SINCE, "--database", vn)
    assert (done.exit_code, lost.document_number in done.output) == (0, False)
    assert "to partner" in done.output
    assert T0 > 0


def test_what_is_no_manifest(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("{}")
    url = f"sqlite:///{tmp_path / 'vn.db'}"
    Database.open(url, node="vn-1").close_now()
    assert aswctl("reconcile", "compare", "th", file, "--database", url).exit_code == 2
    assert aswctl("reconcile", "fallback", "--since", "soon", "--database", url).exit_code == 2
