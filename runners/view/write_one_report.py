"""A process that writes one report: SESSION TARGET; it exits with 1 and one line where it cannot.

Its memory goes with it, and the page that waits stays quick.
"""

import sys
from pathlib import Path

from config.errors import CollectionError
from reports.report import write_report
from storage.sessions import open_session


def main() -> int:
    """Return the exit code."""
    session, target = map(Path, sys.argv[1:])
    try:
        write_report(open_session(session.parent, session.name), target=target)
    except (CollectionError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
