"""Workflows: steps are typed functions, checked before they run; their results are cached."""
