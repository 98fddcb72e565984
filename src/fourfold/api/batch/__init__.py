"""Batches: restore all photos of a folder or object store with many workers, and resume from a journal."""
