"""`python -m agent_desktop` serves the desktop."""

from agent_desktop.server import main

main()
