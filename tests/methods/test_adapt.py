"""POUF: fixed values, the reference's losses and gradients, limits, gradients and what is trained."""

import math

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.nn.functional import normalize

from fourfold.core.errors import InvalidInput
from fourfold.methods import adapt


@pytest.fixture
def fixed():
    torch.manual_seed(0)
    features = normalize(torch.randn(6, 8, dtype=torch.float64), dim=1)
    return features, normalize(torch.randn(4, 8, dtype=torch.float64), dim=1)


def test_fixed_values(fixed):
    similarity = fixed[0] @ fixed[1].T
    assert adapt.transport_loss(similarity, 100 * similarity).item() == pytest.approx(1.5352894620493722, abs=1e-12)
    assert adapt.mutual_information_loss(100 * similarity).item() == pytest.approx(-0.6541602942719712, abs=1e-12)
    assert adapt.pouf_loss(similarity, 100.0).item() == pytest.approx(1.3390413737677809, abs=1e-12)


def test_fixed_values_of_language(fixed):
    features, prototypes = fixed
    assert adapt.language_transport_loss(features, prototypes).item() == pytest.approx(1.592368846259463, abs=1e-12)
    swapped = adapt.language_transport_loss(3 * prototypes, 0.2 * features)
    assert swapped.item() == pytest.approx(1.592368846259463, abs=1e-12)
    logits = features @ prototypes.T
    whole = adapt.language_loss(features, prototypes, logits)
    assert whole.item() == pytest.approx(1.592368846259463 + 0.6 * adapt.mutual_information_loss(logits).item())


@pytest.mark.parametrize("name", ["pouf_vision", "pouf_vision_cold"])
def test_the_reference_gives_the_same_losses_and_gradients(shared, name):
    with safe_open(shared / "reference" / f"{name}.safetensors", "pt") as file:
        stored, settings = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    features = normalize(stored["image_features"], dim=-1).requires_grad_()
    similarity = features @ normalize(stored["text_features"], dim=-1).T
    scale = float(settings["logit_scale"])
    torch.testing.assert_close(similarity, stored["similarity"], atol=1e-5, rtol=0)
    logits = scale * similarity
    weights = float(settings["lambda_transport"]), float(settings["lambda_mutual_information"])
    total = adapt.pouf_loss(similarity, scale, *weights)
    for found, key in (
        (adapt.transport_loss(similarity, logits), "transport_loss"),
        (adapt.mutual_information_loss(logits), "mutual_information_loss"),
        (total, "total_loss"),
    ):
        assert found.item() == pytest.approx(stored[key].item(), abs=1e-5)
    total.backward()
    torch.testing.assert_close(features.grad, stored["grad_wrt_normalised_image_features"], atol=1e-5, rtol=0)


def test_equal_similarities_cost_both_ways_and_tell_nothing():
    similarity = torch.full((5, 3), 0.3, dtype=torch.float64)
    assert adapt.transport_loss(similarity, 100 * similarity).item() == pytest.approx(2 * 0.7)
    assert adapt.mutual_information_loss(100 * similarity).item() == pytest.approx(0, abs=1e-4)


def test_certain_and_balanced_is_best_and_collapse_is_not():
    balanced = 1000 * torch.eye(4, dtype=torch.float64).repeat(3, 1)
    assert adapt.mutual_information_loss(balanced).item() == pytest.approx(-math.log(4), abs=1e-4)
    collapsed = 1000 * torch.eye(4, dtype=torch.float64)[[0] * 12]
    assert adapt.mutual_information_loss(collapsed).item() == pytest.approx(0, abs=1e-4)


def test_each_entropy_has_its_own_epsilon():
    one = torch.tensor([[math.log(0.5), math.log(0.5), -math.inf]], dtype=torch.float64)
    found = adapt.mutual_information_loss(one).item()
    assert found == pytest.approx(math.log(0.5 + 1e-6) - math.log(0.5 + 1e-5), abs=1e-12)
    assert adapt.mutual_information_loss(torch.zeros(3, 1, dtype=torch.float64)).item() == pytest.approx(0, abs=1e-4)


def test_gradients_flow_through_plans_costs_and_temperature():
    torch.manual_seed(1)
    similarity = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s, t: adapt.pouf_loss(s, t), (similarity, scale))
    (whole,) = torch.autograd.grad(adapt.transport_loss(similarity, 5 * similarity), similarity)
    (without,) = torch.autograd.grad(adapt.transport_loss(similarity, 5 * similarity.detach()), similarity)
    assert (whole - without).abs().max() > 1e-2
    (through_scale,) = torch.autograd.grad(adapt.pouf_loss(similarity, scale), scale)
    assert through_scale.abs() > 1e-4


def test_a_prior_draws_the_predictions_to_it_and_an_even_one_changes_nothing(fixed):
    similarity = fixed[0] @ fixed[1].T
    even = torch.full((4,), 0.25, dtype=torch.float64)
    torch.testing.assert_close(adapt.pouf_loss(similarity, 10, prior=even), adapt.pouf_loss(similarity, 10))
    prior = torch.tensor([0.7, 0.1, 0.1, 0.1], dtype=torch.float64)
    as_said = 1000 * torch.eye(4, dtype=torch.float64)[[0] * 7 + [1, 2, 3]]
    balanced = 1000 * torch.eye(4, dtype=torch.float64).repeat(5, 1)
    lower, higher = (adapt.mutual_information_loss(one, prior).item() for one in (as_said, balanced))
    assert lower < higher
    reverse = adapt.mutual_information_loss(as_said).item() > adapt.mutual_information_loss(balanced).item()
    assert reverse
    for bad in ([0.5, 0.5], [0.7, 0.1, 0.1, 0.2], [1.0, 0, 0, 0]):
        with pytest.raises(InvalidInput, match="prior of 4 positive frequencies"):
            adapt.pouf_loss(similarity, 10, prior=torch.tensor(bad))


def test_wrong_shapes_are_said():
    with pytest.raises(InvalidInput, match="similarity and logits B×K"):
        adapt.transport_loss(torch.rand(3, 4), torch.rand(4, 3))
    with pytest.raises(InvalidInput, match="logits B×K"):
        adapt.mutual_information_loss(torch.rand(3))


def test_the_effective_learning_rates():
    assert adapt.learning_rate(adapt.MODEL_RATE, 0) == 5e-7
    assert adapt.learning_rate(adapt.PROMPT_RATE, 0) == 1e-3
    assert adapt.learning_rate(1.0, 5000) == pytest.approx(0.5946, abs=5e-5)


class Toy(nn.Module):
    """Two towers of one matrix each; a prompt's feature is the mean of its words' embeddings up to its end."""

    words = ("<", ">", ".", "a", "photo", "of", "red", "green", "blue")

    def __init__(self, classes=3):
        super().__init__()
        torch.manual_seed(4)
        self.image = nn.Linear(classes, 6, bias=False)
        self.embedding = nn.Embedding(len(self.words), 6)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        with torch.no_grad():
            self.image.weight.copy_(self.embedding.weight[6 : 6 + classes].T)

    @property
    def network(self):
        return self

    def encode_images(self, images):
        return self.image(images)

    def embed(self, prompts):
        split = [prompt.replace(".", " .").split() for prompt in prompts]
        longest = max(map(len, split)) + 2
        ids = [[0, *(self.words.index(word) for word in words), 1] for words in split]
        tokens = self.embedding(torch.tensor([row + [1] * (longest - len(row)) for row in ids]))
        return tokens, torch.tensor([len(row) - 1 for row in ids])

    def encode_text(self, embedded):
        tokens, ends = embedded
        inside = (torch.arange(tokens.shape[1]) < ends[:, None]).float()
        inside[:, 0] = 0
        return torch.einsum("kt,kte->ke", inside, tokens)


CLASSES = ("red", "green", "blue")


def shifted(count=240):
    """Clusters about the three axes, all moved towards the first."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(count) % 3
    images = torch.eye(3)[labels] + 0.2 * torch.randn(count, 3, generator=generator)
    return images + torch.tensor([0.9, 0.1, 0.0]), labels


def test_prompt_tuning_trains_the_context_and_the_temperature_only():
    model = Toy()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    adaptation = adapt.Adaptation(model, CLASSES, adapt.Tuning("prompt", rate=0.01, batch=24))
    images, _ = shifted()
    for part in adapt.batches(len(images), adapt.Tuning(batch=24), 0):
        adaptation.step(images[part])
    assert adaptation.steps == 10
    after = model.state_dict()
    assert [key for key in after if not torch.equal(after[key], before[key])] == ["logit_scale"]
    trained = {id(p): p.numel() for group in adaptation._optimiser.param_groups for p in group["params"]}
    assert sorted(trained.values()) == [1, 4 * 6]


def test_an_untouched_context_is_the_words_prompt_with_its_full_stop():
    model = Toy()
    prompts = adapt.Prompts(model, CLASSES)
    spoken = model.encode_text(model.embed([f"a photo of a {name}." for name in CLASSES]))
    torch.testing.assert_close(model.encode_text(prompts.embedded()), spoken, atol=1e-5, rtol=0)
    assert adapt.plain_prompts(["light_blue"]) == ["a photo of a light blue"]


@pytest.mark.parametrize(("tuned", "rate"), [("model", 0.03), ("prompt", 0.03)])
def test_without_labels_shifted_clusters_are_told_apart_better(tuned, rate):
    images, labels = shifted()
    model, tuning = Toy(), adapt.Tuning(tuned, rate=rate, batch=48)
    adaptation = adapt.Adaptation(model, CLASSES, tuning)
    zero_shot = (adaptation.logits(images).argmax(1) == labels).float().mean()
    for epoch in range(12):
        for part in adapt.batches(len(images), tuning, epoch):
            adaptation.step(images[part])
    adapted = (adaptation.logits(images).argmax(1) == labels).float().mean()
    assert adapted > zero_shot + 0.03


@pytest.mark.parametrize("tuned", ["model", "prompt"])
def test_stopped_and_restored_it_goes_on_as_if_nothing_had_been(tuned):
    images, _ = shifted()
    tuning = adapt.Tuning(tuned, rate=0.02, batch=48)
    whole, first = (adapt.Adaptation(Toy(), CLASSES, tuning) for _ in range(2))
    parts = adapt.batches(len(images), tuning, 0)
    for part in parts:
        whole.step(images[part])
    for part in parts[:2]:
        first.step(images[part])
    then = adapt.Adaptation(Toy(), CLASSES, tuning)
    then.restore(first.state())
    for part in parts[2:]:
        then.step(images[part])
    torch.testing.assert_close(then.logits(images), whole.logits(images), atol=0, rtol=0)


def test_batches_smaller_than_the_classes_and_one_class_work():
    images, _ = shifted(2)
    for classes in (CLASSES, CLASSES[:1]):
        adaptation = adapt.Adaptation(Toy(), classes, adapt.Tuning(rate=0.01))
        (part,) = adapt.batches(2, adapt.Tuning(), 0)
        assert math.isfinite(adaptation.step(images[part]))


def test_a_loss_that_is_no_number_stops_the_run():
    adaptation = adapt.Adaptation(Toy(), CLASSES, adapt.Tuning())
    with pytest.raises(ArithmeticError, match="lower the learning rate"):
        adaptation.step(torch.full((4, 3), math.nan))
