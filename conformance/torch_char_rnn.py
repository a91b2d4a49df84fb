"""PyTorch on tinyshakespeare by character: 2 layers of 128 LSTM, in the configuration of char-rnn.

    python torch_char_rnn.py input.txt --steps 2000 --seed 1

Recipe, to be matched step for step:
- The vocabulary is the sorted set of characters of the whole text (65); input is one-hot.
- The first 95 % of the characters (rounded down) train, the rest validates.
- A part of N characters becomes B = 50 contiguous streams of n = N // 50 characters, the remainder dropped.
- A step takes the next T = 50 characters of every stream and predicts each one's successor. The state is
  carried from step to step without gradient. After (n - 1) // T whole steps the pass starts anew from the
  zero state.
- Loss: cross-entropy in nats, mean over B*T. Each gradient entry is clipped to [-5, 5]. RMSprop: rate
  2e-3, alpha 0.95, epsilon 1e-8 (added to the root), no momentum, no decay of the rate.
- `--units` and `--dropout` are those of a wider network; dropout stands between the layers and before the output.
- Start: every weight and bias uniform in +-1/sqrt(128), PyTorch's default. PyTorch trains two biases
  (b_ih and b_hh) per LSTM layer, so their sum moves about twice as far at each step; `--one-bias` keeps
  b_hh at zero, which is Gimbap's model exactly.
- Validation: the validation part in its own 50 streams, from the zero state carried to the end, the last
  shorter segment included; mean over all (n - 1) * 50 predictions, in nats per character.
"""

import argparse
import time

import numpy as np
import torch
from torch import nn

import convention

LAYERS, B, T = 2, 50, 50


class CharRnn(nn.Module):
    def __init__(self, vocab, units=128, dropout=0.0):
        super().__init__()
        self.vocab = vocab
        self.lstm = nn.LSTM(vocab, units, LAYERS, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(units, vocab)

    def forward(self, ids, state=None):
        """ids [T, B] to logits [T, B, V] and the state to carry, cut from the graph."""
        out, state = self.lstm(nn.functional.one_hot(ids, self.vocab).float(), state)
        return self.dense(self.dropout(out)), tuple(s.detach() for s in state)

    def layer(self, k):
        return [
            getattr(self.lstm, f"{name}_l{k}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]

    def use_one_bias(self):
        with torch.no_grad():
            for _, _, b_ih, b_hh in map(self.layer, range(LAYERS)):
                b_ih += b_hh
                b_hh.zero_().requires_grad_(False)

    def dump(self, path):
        """Writes the weights in Gimbap's convention: lstm.0.w_x, .., lstm.1.b, dense.w [H, V], dense.b."""
        tensors = {
            "dense.w": self.dense.weight.detach().numpy().T,
            "dense.b": self.dense.bias.detach().numpy(),
        }
        for k in range(LAYERS):
            w = convention.from_torch("lstm", *(p.detach().numpy() for p in self.layer(k)))
            tensors |= {f"lstm.{k}.{name}": a for name, a in w.items()}
        convention.write(path, tensors, {"script": "torch_char_rnn.py", "torch": torch.__version__})

    def load(self, path):
        t = convention.read(path)
        with torch.no_grad():
            self.dense.weight.copy_(torch.from_numpy(t["dense.w"].T.copy()))
            self.dense.bias.copy_(torch.from_numpy(t["dense.b"]))
            for k in range(LAYERS):
                w = {name: t[f"lstm.{k}.{name}"] for name in convention.weight_names("lstm")}
                for p, a in zip(self.layer(k), convention.to_torch("lstm", w)):
                    p.copy_(torch.from_numpy(a.copy()))


def streams(ids):
    """[N] to [n, B]: each column a contiguous stretch."""
    n = len(ids) // B
    return ids[: n * B].view(B, n).t().contiguous()


def cross_entropy(logits, targets):
    return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def validate(model, data):
    total, state = 0.0, None
    model.eval()
    with torch.no_grad():
        for i in range(0, len(data) - 1, T):
            t = min(T, len(data) - 1 - i)
            logits, state = model(data[i : i + t], state)
            total += cross_entropy(logits, data[i + 1 : i + 1 + t]).item() * t
    model.train()
    return total / (len(data) - 1)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--every", type=int, default=500, help="validate after so many steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one-bias", action="store_true", help="keep b_hh at zero")
    parser.add_argument(
        "--dump-init", metavar="FILE", help="write the initial weights, in Gimbap's convention"
    )
    parser.add_argument("--init", metavar="FILE", help="start from such a file")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    with open(args.text, encoding="utf-8", newline="") as file:
        text = file.read()
    vocab = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.from_numpy(np.array([vocab[c] for c in text]))
    cut = len(ids) * 95 // 100
    train, valid = streams(ids[:cut]), streams(ids[cut:])

    model = CharRnn(len(vocab), args.units, args.dropout)
    if args.init:
        model.load(args.init)
    if args.one_bias:
        model.use_one_bias()
    if args.dump_init:
        model.dump(args.dump_init)
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.RMSprop(params, lr=2e-3, alpha=0.95)

    per_pass, state, spent = (len(train) - 1) // T, None, 0.0
    print(
        f"{len(vocab)} characters, {sum(p.numel() for p in params)} parameters, {per_pass} steps a pass",
        flush=True,
    )
    for step in range(args.steps):
        start = time.perf_counter()
        if step % per_pass == 0:
            state = None
        i = step % per_pass * T
        logits, state = model(train[i : i + T], state)
        loss = cross_entropy(logits, train[i + 1 : i + 1 + T])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(params, 5.0)
        optimizer.step()
        spent += time.perf_counter() - start
        if (step + 1) % args.every == 0 or step + 1 == args.steps:
            rate = (step + 1) * B * T / spent
            print(
                f"seed {args.seed} step {step + 1} train {loss.item():.4f} valid {validate(model, valid):.4f} "
                f"characters/s {rate:.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
