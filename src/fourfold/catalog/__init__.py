"""The catalog: one card a model, in ``cards/``; a card is the registration."""
