"""Ends with an error unless the browser tests ran: a skipped one proves nothing.

Usage: ``python3 tools/browser_tests_ran.py .venv/reports/browser.xml``

One reason is accepted: recordings of people are too large for the repository, so the test that
uses them is skipped where their folder does not lie beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

BROWSER_TESTS = "tests.browser."
RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "speech_commands"
WITHOUT_RECORDINGS = "no recordings beside the project"


def complaint(report: Path, recordings: Path = RECORDINGS) -> str:
    """Why a JUnit report does not prove that the browser tests ran, or ``""``."""
    if not report.is_file():
        return f"There is no report {report}: the tests did not run."
    cases = [
        case
        for case in ElementTree.parse(report).getroot().iter("testcase")
        if f"{case.get('classname')}.".startswith(BROWSER_TESTS)
    ]
    skipped = {
        case.get("name"): case.find("skipped").get("message", "")
        for case in cases
        if case.find("skipped") is not None
    }
    if len(skipped) == len(cases):
        return "No browser test ran."
    wrong = [
        f"  {name}: {reason}"
        for name, reason in skipped.items()
        if recordings.is_dir() or WITHOUT_RECORDINGS not in reason
    ]
    if not wrong:
        return ""
    return "\n".join([f"{len(wrong)} of {len(cases)} browser tests were skipped:", *wrong])


if __name__ == "__main__":
    found = complaint(Path(sys.argv[1]))
    print(found or "The browser tests ran.")
    sys.exit(1 if found else 0)
