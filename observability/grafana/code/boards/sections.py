"""The runbook in docs/operations.md: what it says to each alert."""

import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parents[4] / "docs/operations.md"
CHAPTER = "When an alert fires"
UID = "finpipe-runbook"


def read():
    """{title: text}: of the chapter, then of each alert."""
    chapter = re.search(rf"^## ({CHAPTER}\n.*?)^## ", PAGE.read_text(), re.M | re.S)[1]
    parts = re.split(r"^### ", chapter, flags=re.M)
    return {title: text.strip() for title, _, text in (part.partition("\n") for part in parts)}


SECTIONS = read()
# The panels of the dashboard: one for each.
NUMBERS = {title: number for number, title in enumerate(SECTIONS, start=1)}


def link(title=CHAPTER):
    return f"/d/{UID}?viewPanel=panel-{NUMBERS[title]}"


def shown(text):
    """The same in Grafana: what links to another section leads there, other links are their words."""
    by_anchor = {f"#{title.lower()}": title for title in SECTIONS}

    def follow(match):
        words, target = match.groups()
        return f"[{words}]({link(by_anchor[target])})" if target in by_anchor else words

    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", follow, text)
