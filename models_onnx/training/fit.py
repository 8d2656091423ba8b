"""One loop that trains them all: AdamW, warm-up, linear decay, bf16, averaged weights.

On a machine shared with others set OMP_WAIT_POLICY=PASSIVE: waiting threads that spin took the pace
from 340 to 125 texts/s (measured on two contended cores).
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import nn

from models_onnx.training import IGNORED
from models_onnx.training.encoder import Encoder

BATCH = 48
_SHOWN_EVERY = 200

Row = tuple[list[int], list[int], list[int]]
"""Ids, token types, labels of one text."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Plan(NamedTuple):
    """How to train.

    Attributes:
        steps: batches in all.
        rate: learning rate at its highest, of the last layer.
        above: factor of the rate for what lies above the encoder and starts from nothing.
        decay: factor of the rate from layer to layer downwards, 0..1: what lies near the words is
            general and should stay so.
        size: rows a batch.
        warm_up: share of the steps in which the rate rises.
        seed: of the order of rows.
    """

    steps: int
    rate: float
    above: float = 1.0
    decay: float = 1.0
    size: int = BATCH
    warm_up: float = 0.06
    seed: int = 0


def batches(lengths: list[int], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Row numbers in shuffled batches of near-equal length."""
    order = rng.permutation(len(lengths)).tolist()
    for start in range(0, len(order), size * 50):
        part = sorted(order[start : start + size * 50], key=lambda i: lengths[i])
        some = [part[i : i + size] for i in range(0, len(part), size)]
        for number in rng.permutation(len(some)):
            yield some[number]


def collate(rows: Sequence[Row]) -> list[torch.Tensor]:
    """Ids, mask, types, labels: int64 [rows, longest], padded on the right."""
    longest = max(len(row[0]) for row in rows)
    ids, mask, types = (np.zeros((len(rows), longest), np.int64) for _ in range(3))
    labels = np.full((len(rows), longest), IGNORED, np.int64)
    for line, (row_ids, row_types, row_labels) in enumerate(rows):
        length = len(row_ids)
        ids[line, :length], mask[line, :length] = row_ids, 1
        types[line, :length], labels[line, : len(row_labels)] = row_types, row_labels
    return [torch.from_numpy(array) for array in (ids, mask, types, labels)]


class Average:
    """Running mean of a model's trainable weights: steadier than the last step's."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self._decay = decay
        self._mean = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    def add(self, model: nn.Module, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, weight in model.named_parameters():
            if name in self._mean:
                self._mean[name].lerp_(weight.detach(), 1 - decay)

    def put(self, model: nn.Module) -> None:
        model.load_state_dict({**model.state_dict(), **self._mean})


def fit(
    model: nn.Module,
    epochs: Iterable[Sequence[T]],
    plan: Plan,
    loss_of: Callable[[list[T]], torch.Tensor],
    length_of: Callable[[T], int],
) -> None:
    """Train on the rows of `epochs` until the plan's steps are done; `model` ends averaged."""
    rng = np.random.default_rng(plan.seed)
    groups = _groups(model, plan)
    weights = [weight for group in groups for weight in group["params"]]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: min(1.0, (s + 1) / (plan.warm_up * plan.steps)) * max(0.02, 1 - s / plan.steps),
    )
    average, step, start, recent = Average(model), 0, time.monotonic(), 0.0
    model.train()
    for rows in epochs:
        for batch in batches([length_of(row) for row in rows], plan.size, rng):
            if step >= plan.steps:
                break
            loss = loss_of([rows[i] for i in batch])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            step += 1
            average.add(model, step)
            recent += float(loss.detach())
            if step % _SHOWN_EVERY == 0:
                pace = step * plan.size / (time.monotonic() - start)
                mean = recent / _SHOWN_EVERY
                log.info("%d/%d loss %.4f, %.0f texts/s", step, plan.steps, mean, pace)
                recent = 0.0
    average.put(model)
    model.eval()


def _groups(model: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """The trainable weights, by rate."""
    encoder: Encoder = model.encoder
    depth = len(encoder.layers)
    groups: list[dict[str, Any]] = []
    taken: set[int] = set()
    for number, layer in enumerate(encoder.layers):
        part = list(layer.parameters())
        taken |= {id(weight) for weight in part}
        groups.append({"params": part, "lr": plan.rate * plan.decay ** (depth - 1 - number)})
    below = [w for w in encoder.parameters() if w.requires_grad and id(w) not in taken]
    taken |= {id(weight) for weight in below}
    groups.append({"params": below, "lr": plan.rate * plan.decay**depth})
    above = [w for w in model.parameters() if w.requires_grad and id(w) not in taken]
    groups.append({"params": above, "lr": plan.rate * plan.above})
    return groups
