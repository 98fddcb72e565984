"""Measuring fourfold against others: benchmark sets, quality, speed, and the report of a run."""
