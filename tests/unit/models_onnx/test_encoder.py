"""The encoder as torch trains it."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from models_onnx import word_table  # noqa: E402
from models_onnx.training.encoder import Dropout, Encoder  # noqa: E402


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    torch.manual_seed(0)
    drop = Dropout(0.2).train()
    found = torch.stack([drop(torch.ones(100, 50)) for _ in range(20)])
    assert 0.19 < (found == 0).float().mean() < 0.21
    assert 0.98 < found.mean() < 1.02
    assert not torch.equal(found[0], found[1])


def test_dropout_is_off_outside_training():
    x = torch.randn(4, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)


def test_dropout_serves_texts_larger_than_the_masks_it_has():
    drop = Dropout(0.5).train()
    drop(torch.ones(3))
    size = drop._masks.numel() // 2 + 1
    assert drop(torch.ones(size)).shape == (size,)


def test_what_lies_behind_the_end_of_a_text_changes_nothing():
    torch.manual_seed(0)
    encoder = Encoder(30, 2).eval()
    ids = torch.randint(0, 30, (1, 9))
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0, 0, 0]])
    types = torch.zeros_like(ids)
    with torch.inference_mode():
        padded = encoder(ids, mask, types)[:, :5]
        alone = encoder(ids[:, :5], mask[:, :5], types[:, :5])
    assert torch.allclose(padded, alone, atol=1e-5)


def test_rounded_words_stay_where_they_are_when_rounded_again():
    encoder = Encoder(30, 1)
    encoder.round_words()
    words = encoder.words.weight.detach().numpy()
    assert (word_table.rounded(words) == words).all()
