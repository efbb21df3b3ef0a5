"""Build the link that a class clicks: log in, get the course, open the first lesson.

    python tools/class_link.py --hub https://hub.example.org \\
        --repo https://code.example.org/school/seeing-sound --branch main

The link is built, not typed, because it is an address inside an address: one sign that is not
escaped, and JupyterHub opens an empty folder.
"""

from __future__ import annotations

import argparse
import sys
from urllib.parse import quote, urlencode, urlsplit

FIRST_PAGE = "notebooks/00_start.ipynb"


def pull_link(hub: str, repo: str, *, branch: str = "main", page: str = FIRST_PAGE) -> str:
    """The nbgitpuller link of a hub and a repository.

    Args:
        hub: Where students find the hub, ``"https://hub.example.org"``, with its path if it has
            one.
        repo: Where git finds the course: an address that everybody may read.
        branch: Branch or tag.
        page: What is opened, a path inside the course; ``""`` opens its folder.

    Returns:
        A link that works for every student, whatever the account: the hub puts the name in.

    Raises:
        ValueError: If an address is none, or if ``branch`` is empty.

    Source: nbgitpuller's parameters ``repo``, ``branch`` and ``urlpath``.
    """
    hub, repo = hub.strip().rstrip("/"), repo.strip().rstrip("/")
    _check_address("hub", hub, ("https", "http"))
    _check_address("repo", repo, ("https", "http", "file"))
    if not branch:
        raise ValueError("branch must name a branch or a tag of the repository, got nothing")
    folder = repo.rsplit("/", 1)[-1]  # what nbgitpuller calls the student's folder
    path = "/".join(["lab/tree", folder, *page.split("/")]).rstrip("/")
    query = {"repo": repo, "branch": branch, "urlpath": quote(path) + "?autodecode"}
    return f"{hub}/hub/user-redirect/git-pull?{urlencode(query, quote_via=quote, safe='')}"


def _check_address(name: str, address: str, schemes: tuple[str, ...]) -> None:
    parts = urlsplit(address)
    named = parts.netloc or (parts.scheme == "file" and parts.path.strip("/"))
    if parts.scheme not in schemes or not named or parts.query or parts.fragment:
        raise ValueError(
            f"{name} must be an address like https://name.example.org without «?» and «#», "
            f"got {address!r}"
        )


def parts_table(link: str) -> str:
    """A link in rows: which part is what, as Markdown."""
    address, _, query = link.partition("?")
    hub = address.removesuffix("/hub/user-redirect/git-pull")
    rows = [("the hub", hub), ("to the student's own server", address.removeprefix(hub))]
    meaning = {
        "repo": "where git finds the course",
        "branch": "branch or tag",
        "urlpath": "what is opened then",
    }
    for pair in query.split("&"):
        name = pair.partition("=")[0]
        rows.append((meaning[name], pair))
    lines = ["| part | what it is |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{part}` | {what} |" for what, part in rows)])


def main(argv: list[str] | None = None) -> int:
    """Print the link and its parts."""
    parser = argparse.ArgumentParser(prog="python tools/class_link.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--hub", required=True, help="address of the hub")
    parser.add_argument("--repo", required=True, help="address of the course's git repository")
    parser.add_argument("--branch", default="main", help="branch or tag (main)")
    parser.add_argument("--page", default=FIRST_PAGE, help=f"what is opened ({FIRST_PAGE})")
    args = parser.parse_args(argv)
    try:
        link = pull_link(args.hub, args.repo, branch=args.branch, page=args.page)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(link, "", parts_table(link), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
