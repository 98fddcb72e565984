import pytest
import torch

from fourfold.core.errors import InvalidInput
from fourfold.methods.adapt import Prompts
from fourfold.networks import two_tower
from fourfold.networks.two_tower import of_pictures, of_traces


@pytest.fixture
def network():
    torch.manual_seed(0)
    return of_traces(10, 16, 8)


def test_windows_of_a_picture_are_averaged(network):
    traces = torch.randn(3, 4, 10)
    whole = network.encode_images(traces)
    torch.testing.assert_close(whole, torch.stack([network.image(one).mean(0) for one in traces]))
    pictures = of_pictures(1, 4, 8)
    assert pictures.encode_images(torch.rand(2, 1, 1, 28, 28)).shape == (2, 8)


def test_brightness_of_the_whole_picture_does_not_matter():
    network = of_pictures(3, 4, 8)
    picture = 0.5 * torch.rand(2, 1, 3, 32, 32)
    torch.testing.assert_close(network.encode_images(picture + 0.4), network.encode_images(picture))


def test_a_prompt_reads_the_same_alone_and_beside_a_longer_one(network):
    alone = network.encode_text(network.embed(["a sharp photo"]))
    beside = network.encode_text(network.embed(["a sharp photo", "this is a very heavily compressed photo."]))
    torch.testing.assert_close(alone[0], beside[0])
    assert (beside[0] - beside[1]).abs().max() > 1e-3


def test_an_untouched_context_reads_as_the_words(network):
    classes = ["zero", "very_small nine"]
    prompts = Prompts(network, classes)
    assert prompts.context.shape == (4, 64)
    spoken = network.encode_text(network.embed(["a photo of a zero.", "a photo of a very small nine."]))
    torch.testing.assert_close(network.encode_text(prompts.embedded()), spoken, atol=1e-5, rtol=0)


def test_word_order_counts(network):
    there, back = network.encode_text(network.embed(["a tiny photo enlarged", "a photo enlarged tiny"]))
    assert (there - back).abs().max() > 1e-3


def test_words_it_does_not_know_are_said_with_the_nearest():
    assert two_tower.tokens("A motion-blurred photo.")[1:-1] == [
        two_tower.WORDS.index(word) for word in ("a", "motion", "blurred", "photo", ".")
    ]
    with pytest.raises(InvalidInput, match=r"does not know 'blured'. Did you mean blurred"):
        two_tower.tokens("a blured photo")
    with pytest.raises(InvalidInput, match="at most 14 words, got 20"):
        two_tower.tokens("very " * 20)
