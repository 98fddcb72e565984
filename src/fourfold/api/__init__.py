"""Where the pieces meet: what the command line, Python, the service and the page share."""
