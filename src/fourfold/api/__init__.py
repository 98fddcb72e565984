"""Where the pieces meet: what the command line, Python users and later the service share."""
