"""Five steps of Keras's and PyTorch's optimizers in float64: the literals of crates/gimbap/src/optim/mod.rs.

    KERAS_BACKEND=torch python conformance/optimizers.py

Start (1, -2, 0.5); the gradient at step t is w_i - 0.1 t (i - 1); the rate is halved for steps 4 and 5.
"""
import keras
import numpy as np
import torch

keras.config.set_floatx("float64")
print(f"// Keras {keras.__version__}, PyTorch {torch.__version__}")
START = [1.0, -2.0, 0.5]


def show(rust, w):
    print(f"check({rust}, [{', '.join(repr(float(x)) for x in w)}]);")


def with_keras(rust, optimizer):
    w = keras.Variable(np.array(START), dtype="float64")
    base = float(optimizer.learning_rate)
    for t in range(1, 6):
        if t == 4:
            optimizer.learning_rate = base / 2
        g = w.numpy() - 0.1 * t * (np.arange(3) - 1.0)
        optimizer.apply([keras.ops.convert_to_tensor(g, dtype="float64")], [w])
    show(rust, w.numpy())


def with_torch(rust, make):
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = make([w])
    base = optimizer.param_groups[0]["lr"]
    for t in range(1, 6):
        if t == 4:
            optimizer.param_groups[0]["lr"] = base / 2
        w.grad = w.detach() - 0.1 * t * (torch.arange(3, dtype=torch.float64) - 1.0)
        optimizer.step()
    show(rust, w.detach())


ko, to = keras.optimizers, torch.optim
with_keras("Sgd::new(0.1)", ko.SGD(0.1))
with_keras("Sgd::new(0.1).momentum(0.9)", ko.SGD(0.1, momentum=0.9))
with_keras("Sgd::new(0.1).momentum(0.9).nesterov(true)", ko.SGD(0.1, momentum=0.9, nesterov=True))
with_keras("Sgd::new(0.1).weight_decay(0.05)", ko.SGD(0.1, weight_decay=0.05))
with_keras("RmsProp::new(0.01).epsilon(0.01)", ko.RMSprop(0.01, epsilon=0.01))
with_keras("RmsProp::new(0.01).rho(0.95).momentum(0.5)", ko.RMSprop(0.01, rho=0.95, momentum=0.5))
with_keras("Adam::new(0.01)", ko.Adam(0.01))
with_keras("Adam::new(0.1).beta_1(0.8).beta_2(0.9).epsilon(0.01)", ko.Adam(0.1, 0.8, 0.9, 0.01))
with_keras("AdamW::new(0.1)", ko.AdamW(0.1))
print()
with_torch("RmsProp::torch(0.01)", lambda p: to.RMSprop(p, 0.01))
with_torch("RmsProp::torch(0.01).epsilon(0.1)", lambda p: to.RMSprop(p, 0.01, eps=0.1))
with_torch("Adam::torch(0.1).epsilon(0.01)", lambda p: to.Adam(p, 0.1, eps=0.01))
with_torch("AdamW::torch(0.1)", lambda p: to.AdamW(p, 0.1))
