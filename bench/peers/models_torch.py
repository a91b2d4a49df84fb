"""PyTorch's side of `bench/models.py`: a line of JSON for each prediction. `models_torch.py --threads N`."""

import json
import statistics
import sys
import time

import torch

SHAPES = [(1, 10, 256, 2, 256, 4), (1024, 50, 65, 1, 128, 65), (256, 100, 64, 1, 256, 64), (4096, 24, 8, 1, 64, 1)]


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]))
    for b, t, i, layers, h, o in SHAPES:
        lstm, dense = torch.nn.LSTM(i, h, layers, batch_first=True), torch.nn.Linear(h, o)
        x = torch.sin(torch.arange(b * t * i).float() * 0.37).reshape(b, t, i)
        seconds: list[float] = []
        with torch.inference_mode():
            for _ in range(2):
                dense(lstm(x)[0][:, -1])
            begin = time.perf_counter()
            while time.perf_counter() - begin < 2 or len(seconds) < 5:
                start = time.perf_counter()
                dense(lstm(x)[0][:, -1])
                seconds.append(time.perf_counter() - start)
        what = f"B{b} T{t} I{i} {layers}xLSTM {h} Dense {o}"
        print(json.dumps({"name": "predict", "what": what, "seconds": statistics.median(seconds), "best": min(seconds)}))


if __name__ == "__main__":
    main()
