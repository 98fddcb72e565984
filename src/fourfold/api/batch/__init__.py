"""Whole folders and object stores of photos: planned, done by many workers, written down, resumed."""
