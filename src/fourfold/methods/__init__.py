"""What is done with networks. Networks come in as functions, so nothing here knows an engine."""
