"""The catalog of models: one card per model in ``cards/``; adding a card registers a model."""
