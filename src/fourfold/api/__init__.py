"""The Python API, shared by the command line, the service and the page."""
