"""Says what the last ``course.py test`` skipped, as Markdown: a skipped test proves nothing.

Usage: ``python3 tools/test_summary.py``, after the tests. The workflows show it on the page of a
run. Only the standard library is used, so any Python will do.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

REPORTS = Path(__file__).resolve().parents[1] / ".venv" / "reports"


def summary(reports: Path = REPORTS) -> str:
    """Markdown: how many tests ran, and the reason for each group of skipped ones."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    for report in sorted(reports.glob("*.xml")):
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            skipped = case.find("skipped")
            if skipped is not None:
                outcomes["skipped"] += 1
                reasons[case.get("classname", ""), skipped.get("message", "")] += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                outcomes["failed"] += 1
            else:
                outcomes["passed"] += 1
    if not outcomes:
        return "No test ran.\n"
    counts = ", ".join(f"{outcomes[name]} {name}" for name in ("passed", "failed", "skipped"))
    lines = [f"{counts}.\n"]
    if reasons:
        lines += ["\n| skipped | where | why |\n", "|---|---|---|\n"]
    for (where, why), count in sorted(reasons.items()):
        plain = " ".join(why.split()).replace("|", "\\|")
        lines.append(f"| {count} | {where} | {plain} |\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(summary())
