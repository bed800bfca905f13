"""The runbook as a dashboard: a text for each alert, where the links of other panels lead."""

from grafana_foundation_sdk.builders import text

from . import sections
from .parts import Board

WIDTH_OF_TEXT = 110


def height(content):
    """In lines of the grid, which are about one and a half of text."""
    return 3 + sum(1 + len(line) // WIDTH_OF_TEXT for line in content.splitlines()) * 2 // 3


def board():
    made = Board(sections.UID, "finpipe: runbook", "What to do when an alert fires, from docs/operations.md.", [])
    for title, content in sections.SECTIONS.items():
        shown = sections.shown(content)
        made.line(text.Panel().title(title).mode("markdown").content(shown), height=height(shown))
    return made
