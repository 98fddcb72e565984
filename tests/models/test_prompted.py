"""Models of others behind the protocols of ``methods.adapt``, small and random; and one that learnt a grammar."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fourfold.core.errors import InvalidInput, ModelError
from fourfold.methods.adapt import Adaptation, LanguageAdaptation, Tuning, batches
from fourfold.models.clip import OpenClip, TransformersClip, open_clip, transformers_clip
from fourfold.models.masked_language import PromptedLanguage, prompted_language

transformers = pytest.importorskip("transformers")

WORDS = ["<s>", "<e>", ".", "a", "photo", "of", "cat", "dog", "bird"]
CLASSES = ["cat", "dog", "bird"]


def words(prompts, padding=True, return_tensors="pt"):
    rows = [[0, *(WORDS.index(word) for word in one.replace(".", " .").split()), 1] for one in prompts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [1] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


@pytest.fixture
def clip():
    torch.manual_seed(0)
    text = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 12, "eos_token_id": 1, "bos_token_id": 0}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 16, "patch_size": 8}  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    return TransformersClip(transformers.CLIPModel(config).eval(), words)


class SmallOpenClip(nn.Module):
    """The parts of open_clip's ``CLIP`` that are used, of its own small arithmetic."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.token_embedding = nn.Embedding(len(WORDS) + 1, 16)
        self.positional_embedding = nn.Parameter(0.1 * torch.randn(12, 16))
        self.mix = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=True)
        self.ln_final = nn.LayerNorm(16)
        self.text_projection = nn.Parameter(torch.randn(16, 8))
        self.visual = nn.Linear(3 * 16 * 16, 8)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.register_buffer("attn_mask", torch.full((12, 12), -math.inf).triu(1), persistent=False)

    def transformer(self, hidden, attn_mask):
        return self.mix(hidden, src_mask=attn_mask)

    def encode_image(self, images):
        return self.visual(images.flatten(1))


def ends_largest(prompts):
    """Numbers of words where, as in open_clip, the end has the largest."""
    spelled = words(prompts)["input_ids"]
    return torch.where(spelled == 1, len(WORDS), spelled)


def test_prompts_go_through_transformers_clip_as_its_own_text_model_takes_them(clip):
    prompts = ["a photo of a cat.", "a dog"]
    spelled = words(prompts)
    own = clip.network.text_projection(
        clip.network.text_model(input_ids=spelled["input_ids"], attention_mask=spelled["attention_mask"]).pooler_output
    )
    torch.testing.assert_close(clip.encode_text(clip.embed(prompts)), own, atol=1e-5, rtol=0)


def test_prompt_tuning_leaves_all_of_clip_but_the_temperature_as_it_was(clip):
    before = {key: value.clone() for key, value in clip.network.state_dict().items()}
    adaptation = Adaptation(clip, CLASSES, Tuning("prompt", rate=0.1))
    for _ in range(10):
        adaptation.step(torch.randn(6, 3, 16, 16))
    after = clip.network.state_dict()
    assert [key for key in after if not torch.equal(after[key], before[key])] == ["logit_scale"]


def test_model_tuning_trains_both_towers(clip):
    before = {key: value.clone() for key, value in clip.network.state_dict().items()}
    Adaptation(clip, CLASSES, Tuning(rate=0.1)).step(torch.randn(6, 3, 16, 16))
    after = clip.network.state_dict()
    moved = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert moved >= {"logit_scale", "text_model", "vision_model", "text_projection", "visual_projection"}


def test_open_clip_is_read_at_the_end_of_each_prompt_and_can_be_tuned():
    adapter = OpenClip(SmallOpenClip(), ends_largest)
    tokens, ends = adapter.embed(["a photo of a cat.", "a dog"])
    assert ends.tolist() == [7, 3]
    found = adapter.encode_text((tokens, ends))
    changed = tokens.clone()
    changed[1, 4:] += 1
    torch.testing.assert_close(adapter.encode_text((changed, ends)), found, atol=1e-6, rtol=0)
    adaptation = Adaptation(adapter, ["cat", "dog"], Tuning(rate=0.1))
    assert math.isfinite(adaptation.step(torch.randn(4, 3, 16, 16)))


@pytest.mark.parametrize(
    "load",
    [
        lambda: transformers_clip("nobody/has-this-model"),
        lambda: prompted_language("nobody/has-this-model", "{text} {mask}", ["good"]),
    ],
)
def test_a_model_that_is_not_here_is_said_and_not_looked_for_elsewhere(load):
    with pytest.raises(ModelError, match=r"(?s)nobody/has-this-model: expected a folder .* download=True"):
        load()


def test_a_missing_library_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "open_clip", None)
    with pytest.raises(ModelError, match="pip install open_clip_torch"):
        open_clip("ViT-B-16", "weights.pt")


# ---- language

GOOD = ["lovely", "bright", "warm", "clever", "funny", "gentle", "fresh", "rich"]
BAD = ["dull", "grey", "cold", "silly", "sad", "rough", "stale", "poor"]
LABELS = ["great", "terrible"]
GRAMMAR = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", ".", "the", "a", "was", "it", "and", "very", "rather",
           "film", "book", "meal", "song", "walk", *LABELS, *GOOD, *BAD]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers

    spelled = Tokenizer(models.WordLevel({word: number for number, word in enumerate(GRAMMAR)}, unk_token="[UNK]"))
    spelled.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=spelled, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
        unk_token="[UNK]", model_max_length=24,
    )  # fmt: skip


def bert():
    torch.manual_seed(0)
    return transformers.BertForMaskedLM(
        transformers.BertConfig(
            vocab_size=len(GRAMMAR), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
    )  # fmt: skip


def roberta():
    torch.manual_seed(0)
    return transformers.RobertaForMaskedLM(
        transformers.RobertaConfig(
            vocab_size=len(GRAMMAR), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=32, pad_token_id=0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
    )  # fmt: skip


TEMPLATE = "{text} . it was {mask} ."


@pytest.mark.parametrize("make", [bert, roberta])
def test_logits_are_the_models_own_and_features_are_those_of_tanh(make, tokenizer):
    model = make().eval()
    read = PromptedLanguage(model, tokenizer, TEMPLATE, LABELS)
    texts = ["the film was very dull", "a song"]
    ids = tokenizer([f"[CLS] {text} . it was [MASK] . [SEP]" for text in texts], padding=True, return_tensors="pt",
                    add_special_tokens=False)  # fmt: skip
    whole = model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]).logits
    rows, places = (ids["input_ids"] == tokenizer.mask_token_id).nonzero(as_tuple=True)
    expected = whole[rows, places][:, [GRAMMAR.index(word) for word in LABELS]]
    features, logits = read.read(texts)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    decoder = read._head[2]
    from_tanh = (features @ read.prototypes().T + decoder.bias[[GRAMMAR.index(word) for word in LABELS]]).detach()
    assert 0 < (from_tanh - logits).abs().max() < 1e-2


def test_long_texts_lose_their_end_and_keep_the_mask(tokenizer):
    read = PromptedLanguage(bert(), tokenizer, TEMPLATE, LABELS)
    assert read.read(["very " * 100])[1].shape == (1, 2)


def test_templates_words_and_models_that_cannot_be_used_are_said(tokenizer):
    with pytest.raises(InvalidInput, match="template"):
        PromptedLanguage(bert(), tokenizer, "{text}", LABELS)
    with pytest.raises(InvalidInput, match="one token of the model, got 'marvellous'"):
        PromptedLanguage(bert(), tokenizer, TEMPLATE, ["marvellous"])
    with pytest.raises(InvalidInput, match="expected RobertaForMaskedLM"):
        PromptedLanguage(SimpleNamespace(), tokenizer, TEMPLATE, LABELS)


def sentences(count, seed, known):
    """Sentences of three adjectives, all among the first ``known`` good or bad ones, and whether they are bad."""
    generator = torch.Generator().manual_seed(seed)

    def one_of(some):
        return some[int(torch.randint(len(some), (), generator=generator))]

    texts, labels = [], []
    for _ in range(count):
        bad = int(torch.randint(2, (), generator=generator))
        said = [one_of((GOOD, BAD)[bad][:known]) for _ in range(3)]
        thing = one_of(["film", "book", "meal", "song", "walk"])
        texts.append(f"the {thing} was {said[0]} and {one_of(['very', 'rather'])} {said[1]} and {said[2]}")
        labels.append(bad)
    return texts, torch.tensor(labels)


@pytest.fixture(scope="module")
def learnt(tokenizer):
    """A small BERT that has learnt what the first three good and bad adjectives of a grammar say, and no others."""
    model = bert()
    texts, labels = sentences(1000, 1, known=3)
    read = PromptedLanguage(model, tokenizer, TEMPLATE, LABELS)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(60):
        chosen = torch.randint(len(texts), (48,), generator=torch.Generator().manual_seed(step))
        _, logits = read.read([texts[i] for i in chosen])
        loss = nn.functional.cross_entropy(logits, labels[chosen], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return read


def test_on_texts_of_a_grammar_there_is_a_gain_without_labels(learnt):
    texts, labels = sentences(400, 2, known=8)

    def accuracy():
        return (learnt.logits(texts).argmax(1) == labels).float().mean().item()

    zero_shot = accuracy()
    tuning = Tuning(rate=3e-4, batch=50, mutual_information=0.6)
    adaptation = LanguageAdaptation(learnt, tuning)
    for epoch in range(6):
        for part in batches(len(texts), tuning, epoch):
            adaptation.step([texts[i] for i in part])
    assert accuracy() > zero_shot + 0.05
