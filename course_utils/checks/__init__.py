"""Feedback for exercises: one printed line that says what happened, and which mistake was made.

Every ``check_*`` function takes the student's answer, prints exactly one line and returns nothing.
It never raises, whatever the answer is, and it never gives the answer away. A line begins with

    ○  not tried yet
    ✗  not right yet, and why
    ✓  right

A classical mistake is known by what it computes: each check holds a list of wrong versions with a
sentence for each, and says the sentence whose version agrees with the answer. So it recognises a
mistake however the student wrote it.
"""

from course_utils.checks._core import NOT_TRIED, RIGHT, WRONG, check_close

__all__ = ["NOT_TRIED", "RIGHT", "WRONG", "check_close"]
