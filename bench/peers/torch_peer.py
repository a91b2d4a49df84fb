"""PyTorch: its recurrent modules, eager, with oneDNN where it has it."""

import numpy as np
import torch
from peer import Array, Arrays, Language, Layer, Prepared, Recipe, Unsupported, Work, arguments, serve

MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def module(work: Layer, data: Arrays) -> torch.nn.Module:
    """The layer with the weights of `data`; PyTorch's second bias is zero but for a GRU."""
    layer = MODULES[work.cell](work.i, work.h)
    b_h = data.b_h if data.b_h.size else np.zeros_like(data.b)
    with torch.no_grad():
        for name, values in [("ih", data.w_x.T), ("hh", data.w_h.T)]:
            getattr(layer, f"weight_{name}_l0").copy_(torch.from_numpy(values.copy()))
        for name, values in [("ih", data.b), ("hh", b_h)]:
            getattr(layer, f"bias_{name}_l0").copy_(torch.from_numpy(values))
    return layer


def states(work: Layer) -> list[torch.Tensor]:
    return [torch.zeros(1, work.b, work.h) for _ in range(2 if work.cell == "lstm" else 1)]


def joined(parts: list[torch.Tensor]) -> torch.Tensor | tuple[torch.Tensor, ...]:
    """States as the module takes them."""
    return parts[0] if len(parts) == 1 else tuple(parts)


class Train:
    """Forward, and backward to the gradients of the weights, the initial states and the input."""

    steps = 1

    def __init__(self, work: Layer, data: Arrays) -> None:
        self.work, self.layer = work, module(work, data)
        self.x, self.d_h = torch.from_numpy(data.x).requires_grad_(), torch.from_numpy(data.d_h)
        self.initial = [state.requires_grad_() for state in states(work)]

    def both(self) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        outputs, _ = self.layer(self.x, joined(self.initial))
        wanted = [self.x, *self.initial, *self.layer.parameters()]
        return outputs, torch.autograd.grad(outputs, wanted, self.d_h)

    def call(self) -> None:
        self.both()

    def results(self) -> dict[str, Array]:
        outputs, gradients = self.both()
        d_x, *rest = (gradient.numpy() for gradient in gradients)
        *d_states, d_w_x, d_w_h, d_b, d_b_h = rest
        found = {"h": outputs.detach().numpy(), "d_x": d_x, "d_h0": d_states[0], "d_w_x": d_w_x.T, "d_w_h": d_w_h.T}
        if self.work.cell == "lstm":
            found["d_c0"] = d_states[1]
        return found | {"d_b": d_b} | ({"d_b_h": d_b_h} if self.work.cell == "gru" else {})


class Infer:
    """The forward pass, without recording it."""

    steps = 1

    def __init__(self, work: Layer, data: Arrays) -> None:
        self.layer, self.x, self.initial = module(work, data), torch.from_numpy(data.x), joined(states(work))

    def outputs(self) -> torch.Tensor:
        with torch.inference_mode():
            return self.layer(self.x, self.initial)[0]

    def call(self) -> None:
        self.outputs()

    def results(self) -> dict[str, Array]:
        return {"h": self.outputs().numpy()}


class Stream:
    """The module called for each frame, with the state of the call before."""

    def __init__(self, work: Layer, data: Arrays) -> None:
        self.layer, self.initial, self.steps = module(work, data), joined(states(work)), work.t
        self.frames = list(torch.from_numpy(data.x).split(1))
        self.state = self.initial

    def call(self) -> None:
        with torch.inference_mode():
            for x in self.frames:
                _, self.state = self.layer(x, self.state)

    def results(self) -> dict[str, Array]:
        state, outputs = self.initial, []
        with torch.inference_mode():
            for x in self.frames:
                h, state = self.layer(x, state)
                outputs.append(h.numpy())
        return {"h": np.concatenate(outputs)}


class LanguageModel(torch.nn.Module):
    """Embedding or one-hot, two LSTM layers, logits."""

    def __init__(self, vocabulary: int, embedding: int | None, hidden: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = torch.nn.Embedding(vocabulary, embedding) if embedding else None
        self.lstm = torch.nn.LSTM(embedding or vocabulary, hidden, 2)
        self.dense = torch.nn.Linear(hidden, vocabulary)

    def forward(self, ids: torch.Tensor, state: object) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        x = self.embedding(ids) if self.embedding else torch.nn.functional.one_hot(ids, self.vocabulary).float()
        h, state = self.lstm(x, state)
        return self.dense(h), state

    def load(self, values: Array) -> None:
        """Our parameters in their order: `[E]`, then `w_x, w_h, b` of each LSTM, then `w, b`."""
        lstm = self.lstm
        targets = [(self.embedding.weight, False)] if self.embedding else []
        for layer in range(2):
            parts = [(f"weight_ih_l{layer}", True), (f"weight_hh_l{layer}", True), (f"bias_ih_l{layer}", False)]
            targets += [(getattr(lstm, name), transposed) for name, transposed in parts]
        targets += [(self.dense.weight, True), (self.dense.bias, False)]
        at = 0
        with torch.no_grad():
            for target, transposed in targets:
                part = torch.from_numpy(values[at : at + target.numel()].copy())
                at += target.numel()
                shape = target.shape[::-1] if transposed else target.shape
                target.copy_(part.reshape(shape).T if transposed else part.reshape(shape))
            for layer in range(2):
                getattr(lstm, f"bias_hh_l{layer}").zero_().requires_grad_(False)
        assert at == values.size, "our parameters are others than this model's"


# Name: V, embedding, H, B, T.
RECIPES = {"ptb-small": (10_000, 200, 200, 20, 20), "char-rnn": (65, None, 128, 50, 50)}
WINDOWS = 10


class Steps:
    """Training steps as the language models' own programs write them."""

    steps = WINDOWS

    def __init__(self, work: Recipe, values: Array) -> None:
        vocabulary, embedding, hidden, self.batch, self.window = RECIPES[work.recipe]
        count = self.batch * self.window * WINDOWS + 1
        self.ids = torch.from_numpy(values[:count].astype(np.int64))
        self.model = LanguageModel(vocabulary, embedding, hidden)
        self.model.load(values[count:])
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        if work.recipe == "ptb-small":
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD(self.parameters, lr=1.0)
        else:
            self.optimizer = torch.optim.RMSprop(self.parameters, lr=2e-3, alpha=0.95)

    def epoch(self) -> list[torch.Tensor]:
        length, losses, state = self.window * WINDOWS, [], None
        streams = self.ids[: self.batch * length].view(self.batch, length).T
        targets = self.ids[1 : self.batch * length + 1].view(self.batch, length).T
        for start in range(0, length, self.window):
            window = slice(start, start + self.window)
            self.optimizer.zero_grad()
            logits, state = self.model(streams[window], state)
            state = tuple(part.detach() for part in state)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets[window].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
            self.optimizer.step()
            losses.append(loss.detach())
        return losses

    def call(self) -> None:
        self.epoch()

    def results(self) -> dict[str, Array]:
        losses = np.array([float(loss) for loss in self.epoch()])
        return {"losses": np.cumsum(losses) / np.arange(1, WINDOWS + 1)}


def sentences(work: Language, values: Array) -> tuple[list[torch.Tensor], Array]:
    """The sentences that `values` begins with, as ids, and the weights behind them."""
    lengths = values[: work.sentences].astype(np.int64)
    ends = work.sentences + np.cumsum(lengths)
    ids = [torch.from_numpy(values[end - n : end].astype(np.int64)) for end, n in zip(ends, lengths, strict=True)]
    return ids, values[ends[-1] if work.sentences else 0 :]


class Score:
    """The log-probabilities of sentences: sorted by length, so many together, padded. Sorting and padding take no time."""

    IGNORED = -100

    def __init__(self, work: Language, values: Array) -> None:
        ids, weights = sentences(work, values)
        self.steps = len(ids)
        self.model = LanguageModel(work.v, work.embedding, work.h)
        self.model.load(weights)
        order = sorted(range(len(ids)), key=lambda sentence: -len(ids[sentence]))
        self.groups = [order[start : start + work.batch] for start in range(0, len(order), work.batch)]
        pad = torch.nn.utils.rnn.pad_sequence
        before = [torch.cat([torch.tensor([1]), sentence[:-1]]) for sentence in ids]
        self.inputs = [pad([before[sentence] for sentence in group]) for group in self.groups]
        self.targets = [pad([ids[s] for s in group], padding_value=self.IGNORED) for group in self.groups]

    def logprobs(self) -> list[torch.Tensor]:
        found = []
        with torch.inference_mode():
            for inputs, targets in zip(self.inputs, self.targets, strict=True):
                logits, _ = self.model(inputs, None)
                losses = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), targets.flatten(), ignore_index=self.IGNORED, reduction="none"
                )
                found.append(-losses.view_as(targets).sum(0))
        return found

    def call(self) -> None:
        self.logprobs()

    def results(self) -> dict[str, Array]:
        by_sentence = np.empty(self.steps, dtype=np.float32)
        for group, logprobs in zip(self.groups, self.logprobs(), strict=True):
            by_sentence[group] = logprobs.numpy()
        return {"logprobs": by_sentence}


class Generate:
    """Tokens, each drawn from the distribution after those before it."""

    def __init__(self, work: Language, values: Array) -> None:
        self.model, self.steps = LanguageModel(work.v, work.embedding, work.h), work.tokens
        self.model.load(sentences(work, values)[1])

    def write(self, likeliest: bool) -> list[int]:
        written, state, token = [], None, torch.tensor([[1]])
        with torch.inference_mode():
            for _ in range(self.steps):
                logits, state = self.model(token, state)
                logits[0, 0, 0] = -torch.inf
                scores = logits[0]
                token = scores.argmax(-1, True) if likeliest else torch.multinomial(scores.softmax(-1), 1)
                written.append(int(token))
        return written

    def call(self) -> None:
        self.write(likeliest=False)

    def results(self) -> dict[str, Array]:
        return {"tokens": np.array(self.write(likeliest=True))}


def prepare(work: Work, values: Array) -> Prepared:
    if isinstance(work, Language):
        return {"score": Score, "generate": Generate}[work.answer](work, values)
    if isinstance(work, Recipe):
        return Steps(work, values)
    kinds = {"train": Train, "infer": Infer, "stream": Stream}
    if work.kind not in kinds:
        raise Unsupported(f"{work.kind} is measured against f32 alone")
    return kinds[work.kind](work, Arrays.of(work, values))


if __name__ == "__main__":
    torch.set_num_threads(arguments("PyTorch").threads)
    serve("PyTorch", torch.__version__, prepare)
