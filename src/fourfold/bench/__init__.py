"""Benchmarks: quality, speed, routing, batches and service, beside other upscalers."""
