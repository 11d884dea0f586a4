"""`python -m recordings.capture [a|b]` is a recorder."""

from recordings.capture.recorder import main

main()
