"""An independent ChaCha8 (RFC 8439's quarter round, 8 rounds, 64-bit counter, nonce 0), and the draws from it:
the literals of crates/gimbap/src/rng.rs.

    python3 conformance/chacha8_stream.py
"""
import itertools
import math
import struct


def block(key: bytes, counter: int) -> list[int]:
    mask = 0xFFFFFFFF
    start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key)]
    start += [counter & mask, counter >> 32, 0, 0]
    s = list(start)

    def quarter(a, b, c, d):
        for x, y, z, r in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & mask
            s[z] ^= s[x]
            s[z] = (s[z] << r | s[z] >> (32 - r)) & mask

    for _ in range(4):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    words = [(a + b) & mask for a, b in zip(s, start)]
    return [lo | hi << 32 for lo, hi in zip(words[::2], words[1::2])]


def stream(*key):
    for counter in itertools.count():
        yield from block(struct.pack("<4Q", *key), counter)


def ln(x):
    """rng.rs's logarithm, the same operations in the same order."""
    m, k = math.frexp(x)
    m, k = m * 2, k - 1.0
    if m >= math.sqrt(2):
        m, k = m * 0.5, k + 1
    z = (m - 1) / (m + 1)
    total = 0.0
    for n in reversed(range(11)):
        total = total * (z * z) + 1 / (2 * n + 1)
    return k * math.log(2) + 2 * z * total


def unit(words):
    return (next(words) >> 11) / 2**53


def normal(words):
    while True:
        x, y = (-1 + 2 * unit(words) for _ in range(2))
        s = x * x + y * y
        if 0 < s < 1:
            return x * math.sqrt(-2 * ln(s) / s)


def below(words, n):
    while True:
        product = next(words) * n
        if product % 2**64 >= 2**64 % n:
            return product >> 64


if __name__ == "__main__":
    words = stream(1, 2, 3, 4)
    print("WORDS", *(f"0x{next(words):016x}" for _ in range(4)))
    words = stream(42, 0, 0, 0)
    print("NORMALS", *(repr(normal(words)) for _ in range(3)))
    words = stream(42, 0, 0, 1)
    print("BELOW", *(below(words, 10) for _ in range(8)))
    words, order = stream(42, 1, 0, 0), list(range(10))
    for last in range(9, 0, -1):
        j = below(words, last + 1)
        order[last], order[j] = order[j], order[last]
    print("ORDER", *order)
