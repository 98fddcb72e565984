"""Workflows: steps that are typed functions, checked before they run, kept when they are done."""
