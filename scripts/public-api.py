#!/usr/bin/env python3
"""Compares what the library's documentation shows with docs/public-api.txt: what users can name changes on purpose or not at all.

    cargo doc --no-deps && python3 scripts/public-api.py [--write]

Reads the pages that rustdoc wrote: modules, types, functions, and their fields, variants and methods, those of traits implemented left out.
"""

import difflib
import html
import os
import re
import sys
from pathlib import Path

root = Path(__file__).parent.parent
pages = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "doc" / "lowrank"
listing = root / "docs" / "public-api.txt"
PAGE = re.compile(r"(struct|enum|trait|fn|constant|static|type|macro|union)\.(\w+)\.html")
MEMBER = re.compile(r'<(?:section|span) id="((?:method|tymethod|variant|structfield|associatedconstant|associatedtype)\.\w+)" class="([^"]*)"')


def items():
    """Each as its kind and path, members behind their type."""
    shown = re.findall(r'<li><a href="([^"]+\.html)">', (pages / "all.html").read_text())
    for page in map(html.unescape, shown):
        kind, name = PAGE.fullmatch(Path(page).name).groups()
        path = "::".join(["lowrank", *Path(page).parent.parts, name])
        yield f"{kind} {path}"
        for member, classes in MEMBER.findall((pages / page).read_text()):
            if "trait-impl" not in classes:
                of, word = member.split(".")
                yield f"{of.removeprefix('ty')} {path}::{word}"


found = sorted(set(items()))
assert len(found) > 300, f"only {len(found)} items were found: rustdoc writes its pages in another way"
text = "\n".join(found) + "\n"
if "--write" in sys.argv:
    listing.write_text(text)
known = listing.read_text()
print(f"{len(found)} public items of the library")
if text != known:
    sys.stdout.writelines(difflib.unified_diff(known.splitlines(True), text.splitlines(True), "docs/public-api.txt", "documentation", n=0))
    sys.exit("The public items changed. Where that is meant: python3 scripts/public-api.py --write")
