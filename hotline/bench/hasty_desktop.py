"""The desktop as shipped, but its pushes of the floor go so many times as often: a shift in minutes.

The first argument says how many times. What a page takes in eight hours it takes in minutes then, as far as
the machine can.
"""

from __future__ import annotations

import sys

from agent_desktop import boards, server


def main() -> None:
    """Run the desktop until SIGTERM."""
    speed = float(sys.argv[1])
    for view in boards.PACES:
        boards.PACES[view] /= speed
    server.main()


if __name__ == "__main__":
    main()
