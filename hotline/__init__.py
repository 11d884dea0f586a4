"""The composition root: settings, command line, set-up, the process manager and the test telephones."""
