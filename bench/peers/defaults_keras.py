"""Keras's side of `bench/defaults.py`: its layers as they come, with their own initial values.

A recipe is `{"optimizer": "adam", "rate": 0.001}`, or with `rmsprop`; without a rate it has Keras's own."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from defaults_peer import Job, scores, serve
from keras import layers

# Steps of a segment where a text is measured: each length is compiled for itself.
SEGMENT = 250


def network(job: Job, batch: int, steps: int | None, ids: bool) -> keras.Model:
    """The network for batches of this size."""
    lm = job.kind == "lm"
    if ids:
        given = keras.Input(batch_shape=(batch if lm else None, steps), dtype="int32")
        x = layers.Embedding(job.vocabulary + (not lm), job.embedding, mask_zero=not lm)(given)
        x = layers.Dropout(job.dropout)(x) if job.dropout else x
    else:
        given = keras.Input((steps, job.features))
        lengths = job.arrays["train_lengths"]
        x = layers.Masking()(given) if lengths.min() < lengths.max() else given
    for i, units in enumerate(job.layers):
        each = job.kind in ("lm", "tag") or i + 1 < len(job.layers)
        lstm = layers.LSTM(units, return_sequences=each, stateful=lm)
        x = (layers.Bidirectional(lstm) if job.bidirectional else lstm)(x)
    return keras.Model(given, layers.Dense(job.outputs)(x))


def measure(model: keras.Model, twin: keras.Model | None, job: Job, width: int) -> tuple[float, float]:
    """Loss and accuracy on the validation part; a text in one stream, by the twin of the model."""
    loss, right, count = 0.0, 0, 0
    if twin is not None:
        for ours, theirs in zip(model.trainable_variables, twin.trainable_variables):
            theirs.assign(np.array(ours))
        reset(twin)
        ids = job.arrays["valid"].astype(np.int32)
        for start in range(0, len(ids) - 1, SEGMENT):
            y = ids[start + 1 : start + 1 + SEGMENT]
            x = np.zeros((1, SEGMENT), np.int32)
            x[0, : len(y)] = ids[start : start + len(y)]
            more = scores(np.asarray(twin.predict_on_batch(x))[0, : len(y)], y)
            loss, right, count = loss + more[0], right + more[1], count + more[2]
        return loss / count, right / count
    n = len(job.arrays["valid_lengths"])
    for start in range(0, n, 256):
        x, _, y = job.sequences("valid", slice(start, start + 256), width)
        rows = len(x)
        x = np.concatenate([x, np.repeat(x[:1], 256 - rows, axis=0)])
        logits = np.asarray(model.predict_on_batch(x))[:rows]
        if job.kind == "forecast":
            loss, count = loss + float(((logits - y) ** 2).mean(axis=1).sum()), count + len(y)
        else:
            more = scores(logits, y)
            loss, right, count = loss + more[0], right + more[1], count + more[2]
    return loss / count, right / count


def reset(model: keras.Model) -> None:
    for layer in model.layers:
        if hasattr(layer, "reset_state"):
            layer.reset_state()


def train(job: Job, recipe: dict[str, Any], seed: int) -> Iterator[tuple[int, float, float]]:
    keras.utils.set_random_seed(seed)
    lm = job.kind == "lm"
    segments = job.segments() if lm else None
    first = next(segments) if segments is not None else None
    steps = first[0].shape[1] if first is not None else None
    width = max(int(job.arrays[f"{part}_lengths"].max()) for part in ("train", "valid")) if not lm else 0
    model = network(job, job.batch, steps if lm else width, bool(job.vocabulary))
    twin = network(job, 1, SEGMENT, True) if lm else None
    kinds = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    rate = {"learning_rate": recipe["rate"]} if "rate" in recipe else {}
    loss = "mse" if job.kind == "forecast" else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(kinds[recipe["optimizer"]](**rate), loss)
    order, marks = job.order(seed), job.marks()
    for step in range(job.steps):
        if segments is not None:
            x, y, goes_on = first or next(segments)
            first = None
            if not goes_on:
                reset(model)
            model.train_on_batch(x.astype(np.int32), y)
        else:
            chosen = next(order)
            # An epoch's last batch is as large as the others, by sequences of weight 0: each size is compiled for itself.
            weight = np.concatenate([np.ones(len(chosen)), np.zeros(job.batch - len(chosen))]).astype(np.float32)
            whole = np.concatenate([chosen, np.repeat(chosen[:1], job.batch - len(chosen))])
            x, _, y = job.sequences("train", whole, width)
            weight *= weight.size / weight.sum()
            if job.kind == "tag":
                # The mask leaves out what stands behind a sentence's end.
                weight, y = np.repeat(weight[:, None], width, axis=1), np.maximum(y, 0)
            model.train_on_batch(x, y, sample_weight=weight)
        if step + 1 in marks:
            yield (step + 1, *measure(model, twin, job, width))


if __name__ == "__main__":
    serve("keras", train)
