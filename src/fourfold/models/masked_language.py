"""Masked language models of transformers (RoBERTa, BERT) as ``methods.adapt.MaskedLanguage``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourfold.core.errors import InvalidInput, MissingExtra
from fourfold.models.clip import pretrained

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn
except ImportError as missing:
    raise MissingExtra("adapting language models", "torch") from missing


class PromptedLanguage:
    """A ``RobertaForMaskedLM`` or ``BertForMaskedLM`` that classifies by the word it would put at the mask.

    Features are those of the head just before its decoder, with GELU approximated by tanh as POUF's own code has it,
    though the head itself has the exact GELU; the logits are the head's own.

    Args:
        model: the model; tokenizer: its own.
        template: a text with ``{text}`` and ``{mask}``, for example ``{text} It was {mask}.``
        words: the label word of each class, one token each.

    Raises:
        InvalidInput: another kind of model, or a template or words that cannot be used.
    """

    def __init__(self, model: Any, tokenizer: Any, template: str, words: Sequence[str]) -> None:
        if "{text}" not in template or "{mask}" not in template:
            raise InvalidInput(f"expected a template with {{text}} and {{mask}}, got {template!r}")
        self._model, self._tokenizer, self._template = model, tokenizer, template
        self._body, self._head = _parts(model)
        self._words = [self._token(word) for word in words]

    @property
    def network(self) -> nn.Module:
        """See ``methods.adapt.MaskedLanguage``, as for the rest."""
        return self._model  # type: ignore[no-any-return]

    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """``B×D`` features at the mask and ``B×K`` logits of the label words; a long text loses its end.

        Raises:
            InvalidInput: a text left no room for the mask.
        """
        ids = self._ids(texts)
        hidden = self._body(input_ids=ids, attention_mask=(ids != self._tokenizer.pad_token_id).long())[0]
        rows, places = (ids == self._tokenizer.mask_token_id).nonzero(as_tuple=True)
        if rows.tolist() != list(range(len(texts))):
            raise InvalidInput("expected one mask in every text; shorten the texts or the template")
        at_mask = hidden[rows, places]
        dense, norm, decoder = self._head
        features = norm(F.gelu(dense(at_mask), approximate="tanh"))
        logits = decoder(norm(F.gelu(dense(at_mask))))[:, self._words]
        return features, logits

    def prototypes(self) -> Tensor:
        """``K×D``: the decoder's rows of the label words."""
        return self._head[2].weight[self._words]  # type: ignore[no-any-return]

    def logits(self, texts: Sequence[str]) -> Tensor:
        """``B×K``, without gradients."""
        with torch.no_grad():
            return self.read(texts)[1]

    def _ids(self, texts: Sequence[str]) -> Tensor:
        """``B×T`` token numbers; texts are cut so that the template stays whole."""
        encode, tokenizer = self._tokenizer.encode, self._tokenizer
        start, end = (part.format(mask=tokenizer.mask_token) for part in self._template.split("{text}", 1))
        before, after = (encode(part, add_special_tokens=False) if part else [] for part in (start, end))
        longest = min(tokenizer.model_max_length, self._model.config.max_position_embeddings - 2)
        most = longest - len(before) - len(after) - 2
        first, last = [tokenizer.cls_token_id, *before], [*after, tokenizer.sep_token_id]
        rows = [first + encode(text, add_special_tokens=False)[:most] + last for text in texts]
        padded = [row + [tokenizer.pad_token_id] * (max(map(len, rows)) - len(row)) for row in rows]
        return torch.tensor(padded, device=self._head[2].weight.device)

    def _token(self, word: str) -> int:
        for spelled in (" " + word, word):
            found = self._tokenizer.encode(spelled, add_special_tokens=False)
            if len(found) == 1 and found[0] != self._tokenizer.unk_token_id:
                return int(found[0])
        raise InvalidInput(f"expected a label word that is one token of the model, got {word!r}; choose another")


def _parts(model: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """The body, and of the head its dense layer, layer normalisation and decoder."""
    if hasattr(model, "lm_head"):
        return model.roberta, (model.lm_head.dense, model.lm_head.layer_norm, model.lm_head.decoder)
    if hasattr(model, "cls"):
        head = model.cls.predictions
        return model.bert, (head.transform.dense, head.transform.LayerNorm, head.decoder)
    raise InvalidInput(f"expected RobertaForMaskedLM or BertForMaskedLM, got {type(model).__name__}")


def prompted_language(
    name: str | Path, template: str, words: Sequence[str], *, download: bool = False
) -> PromptedLanguage:
    """A masked language model of transformers with a template and label words.

    Args:
        name: a folder, or a name on the hub; download: whether it may be fetched if it is not stored here yet.

    Raises:
        ModelError: transformers is not installed, or the model is not here. InvalidInput: as ``PromptedLanguage``.
    """
    model, tokenizer = pretrained(("AutoModelForMaskedLM", "AutoTokenizer"), name, download=download)
    return PromptedLanguage(model, tokenizer, template, words)
