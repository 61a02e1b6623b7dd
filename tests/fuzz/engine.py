"""One target under atheris: python -m tests.fuzz.engine TARGET CORPUS [options of libFuzzer].

Says `begun RSS_MB` when the target is ready; everything after that is libFuzzer's own output.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["asw_gateway.messaging", "asw_gateway.partner", "asw_gateway.exchange"]
):
    from tests.fuzz.targets import dictionary, targets

#: What a target may take beyond what it had when it began.
GROWTH_MB = 256


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer ends the process: status 0, or not when something was found."""
    name, corpus, *options = arguments
    target = targets()[name]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        target.run(seed)
        (folder / f"seed-{number}").write_bytes(seed)
    words = folder.parent / "dictionary"
    words.write_text(dictionary(), encoding="latin-1")
    begun_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"begun {begun_mb}", file=sys.stderr, flush=True)
    command = [sys.argv[0], corpus, *options, f"-dict={words}", f"-rss_limit_mb={begun_mb + GROWTH_MB}"]
    atheris.Setup(command, target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
