"""Ends with an error unless every browser test ran: a skipped one proves nothing.

python3 tools/browser_tests_ran.py .venv/reports/tests.xml
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

BROWSER_TESTS = "tests.browser."


def complaint(report: Path) -> str:
    """Why a JUnit report does not prove that the browser tests ran, or ``""``."""
    if not report.is_file():
        return f"There is no report {report}: the tests did not run."
    cases = [
        case
        for case in ElementTree.parse(report).getroot().iter("testcase")
        if f"{case.get('classname')}.".startswith(BROWSER_TESTS)
    ]
    skipped = [case for case in cases if case.find("skipped") is not None]
    if not cases:
        return "No browser test ran."
    if skipped:
        reasons = [f"  {c.get('name')}: {c.find('skipped').get('message', '')}" for c in skipped]
        return "\n".join([f"{len(skipped)} of {len(cases)} browser tests were skipped:", *reasons])
    return ""


if __name__ == "__main__":
    found = complaint(Path(sys.argv[1]))
    print(found or "Every browser test ran.")
    sys.exit(1 if found else 0)
