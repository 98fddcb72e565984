"""Networks that describe photos: recogniser, encoder, sharpener, classifier, CLIP and masked-language models."""
