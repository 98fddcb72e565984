"""The scientist: answers a brief from only the sources it was given."""
