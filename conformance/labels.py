"""Figures of labels, by programs that are not ours: labels.json, which crates/gimbap/tests/labels.rs reads.

    entities      seqeval, which counts as conlleval does, and conlleval's own rules once more in `conlleval`
    classes       scikit-learn's precision, recall, F1 and support, their means
    calibration   the error as Guo et al. define it, in numpy; the temperature by scipy's bounded search
"""
import json
import pathlib

import numpy as np
import scipy.optimize
import scipy.special
import seqeval.metrics.sequence_labeling
import sklearn.metrics

LABELS = ["B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O"]


def conlleval(gold, predicted):
    """Correct, predicted and actual chunks, token by token as the Perl program has it (`startOfChunk`, `endOfChunk`)."""
    def split(tag):
        return (tag, "") if "-" not in tag else tuple(tag.split("-", 1))

    def start(before, now):
        (b, b_type), (n, n_type) = before, now
        return n == "B" or n != "O" and (b == "O" or b_type != n_type)

    def end(before, now):
        (b, b_type), (n, n_type) = before, now
        return b != "O" and (n in "BO" or b_type != n_type)

    correct = found = actual = 0
    open_chunk = False
    last = (("O", ""), ("O", ""))
    for now in [*zip(map(split, gold), map(split, predicted)), (("O", ""), ("O", ""))]:
        ends = [end(last[side], now[side]) for side in (0, 1)]
        starts = [start(last[side], now[side]) for side in (0, 1)]
        if open_chunk:
            if all(ends) and last[0][1] == last[1][1]:
                correct, open_chunk = correct + 1, False
            elif ends[0] != ends[1] or now[0][1] != now[1][1]:
                open_chunk = False
        if all(starts) and now[0][1] == now[1][1]:
            open_chunk = True
        actual += starts[0]
        found += starts[1]
        last = now
    return np.array([correct, found, actual])


def entities(rng):
    # Any tag may follow any other, so that entities begin with `I-` too.
    chances = np.array([2, 2, 2, 3, 3, 3, 6]) / 21
    gold = [rng.choice(7, size=n, p=chances) for n in rng.integers(1, 12, size=60)]
    predicted = [np.where(rng.random(len(g)) < 0.7, g, rng.choice(7, size=len(g), p=chances)) for g in gold]
    names = [[[LABELS[tag] for tag in sentence] for sentence in side] for side in (gold, predicted)]
    counts = sum(conlleval(*pair) for pair in zip(*names))
    micro = seqeval.metrics.sequence_labeling.precision_recall_fscore_support(*names, average="micro")
    correct, found, actual = counts
    assert np.allclose(micro[:3], [correct / found, correct / actual, 2 * correct / (found + actual)])
    each = np.array(seqeval.metrics.sequence_labeling.precision_recall_fscore_support(*names, average=None)).T
    return {
        "labels": LABELS,
        "gold": [sentence.tolist() for sentence in gold],
        "predicted": [sentence.tolist() for sentence in predicted],
        "counts": counts.tolist(),
        "micro": [float(x) for x in micro[:3]],
        "types": {name: row.tolist() for name, row in zip(["LOC", "ORG", "PER"], each)},
    }


def classes(rng):
    actual = rng.choice(4, size=80, p=[0.5, 0.3, 0.15, 0.05])
    predicted = np.where(rng.random(80) < 0.6, actual, rng.choice(4, size=80))
    figures = sklearn.metrics.precision_recall_fscore_support
    mean = lambda how: [float(x) for x in figures(actual, predicted, average=how, zero_division=0)[:3]]
    return {
        "actual": actual.tolist(),
        "predicted": predicted.tolist(),
        "matrix": sklearn.metrics.confusion_matrix(actual, predicted).tolist(),
        "each": np.array(figures(actual, predicted, zero_division=0)).T.tolist(),
        "macro": mean("macro"),
        "weighted": mean("weighted"),
    }


def calibration(rng):
    logits = rng.normal(size=(60, 3)) * 3
    target = np.where(rng.random(60) < 0.6, logits.argmax(1), rng.choice(3, size=60))
    probabilities = scipy.special.softmax(logits, axis=1).astype(np.float32)
    logs = np.log(probabilities.astype(np.float64))
    loss = lambda t: -np.mean(scipy.special.log_softmax(logs / t, axis=1)[np.arange(60), target])
    best = scipy.optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-10})
    confidence = probabilities.astype(np.float64).max(1)
    right = probabilities.argmax(1) == target
    edges = np.arange(16) / 15
    error = sum(
        abs(right[inside].mean() - confidence[inside].mean()) * inside.mean()
        for low, high in zip(edges, edges[1:])
        if (inside := (confidence > low) & (confidence <= high)).any()
    )
    return {
        "probabilities": [[float(p) for p in row] for row in probabilities],
        "target": target.tolist(),
        "temperature": float(best.x),
        "loss": [float(loss(1.0)), float(best.fun)],
        "error": float(error),
    }


rng = np.random.default_rng(7)
document = {
    "made by": "labels.py",
    "entities": entities(rng),
    "classes": classes(rng),
    "calibration": calibration(rng),
}
path = pathlib.Path(__file__).parent / "labels.json"
path.write_text("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in document.items()) + "\n}\n")
