"""The service: photos over HTTP, durable jobs, worker processes, and the page for a phone."""
