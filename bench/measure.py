"""Ours and the others on the same data: compared first, then timed in turns."""

import pathlib
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from process import Failed, Missing, Peer, Unsupported

# Largest difference of an array from ours, as a share of ours' largest value.
TOLERANCE = 2e-4
# Between turns all is quiet for so long: threads of the peer before, which wait for work in a loop, have gone to sleep.
PAUSE = 0.03


@dataclass(frozen=True)
class Pace:
    """How long a workload is measured."""

    turn: float
    rounds: int
    limit: float


FULL, QUICK = Pace(turn=0.2, rounds=5, limit=12.0), Pace(turn=0.03, rounds=3, limit=1.5)


class Disagreement(Exception):
    """A peer computes something else: it is not timed, and the run fails in the end."""


@dataclass
class Result:
    """A workload's times by peer, ours first."""

    name: str
    work: dict[str, Any]
    flop: float | None
    tokens: int | None
    weight_bytes: int | None
    seconds: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    disagrees: bool = False

    @property
    def kind(self) -> str:
        return str(self.work.get("kind", "steps"))

    @property
    def cell(self) -> str:
        return str(self.work.get("cell", "lstm"))

    def median(self, peer: str) -> float:
        return statistics.median(self.seconds[peer])

    def best_peer(self) -> str | None:
        """The fastest of the others."""
        others = [name for name in self.seconds if name != "gimbap"]
        return min(others, key=self.median, default=None)

    def ratio(self) -> float | None:
        """How many times ours goes into the best of the others."""
        best = self.best_peer()
        return self.median(best) / self.median("gimbap") if best else None


def measure(workload: dict[str, Any], ours: Peer, others: list[Peer], pace: Pace, scratch: pathlib.Path) -> Result:
    """One workload. Those of `others` that cannot do it are left out, and why is in the result."""
    known = {key: workload.get(key) for key in ("flop", "tokens", "weight_bytes")}
    result = Result(workload["name"], workload["work"], **known)
    data = scratch / "data"
    ours.ask("prepare", work=result.work, data=str(data), write=True)
    reference = check(ours, scratch / "ours")
    able = [ours]
    for peer in others:
        try:
            peer.ask("prepare", work=result.work, data=str(data), write=False)
            compare(ours, peer, reference, check(peer, scratch / "theirs"), result)
            able.append(peer)
        except (Unsupported, Failed, Missing) as reason:
            result.missing[peer.label] = str(reason)
        except Disagreement as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            result.missing[peer.label], result.disagrees = str(error), True
    take_turns(able, pace, result)
    return result


def check(peer: Peer, path: pathlib.Path) -> dict[str, Any]:
    return {"path": str(path), "arrays": peer.ask("check", out=str(path))["arrays"]}


def compare(ours: Peer, peer: Peer, reference: dict[str, Any], found: dict[str, Any], result: Result) -> None:
    for name, apart in ours.ask("compare", ours=reference, theirs=found)["apart"]:
        if not apart <= TOLERANCE:
            what = f"{result.name} {result.cell}: `{name}` of {peer.label} is {apart:.1e} of the largest value from ours"
            raise Disagreement(f"{what}; {TOLERANCE:.0e} is allowed, so it is not timed")


def take_turns(peers: list[Peer], pace: Pace, result: Result) -> None:
    """Rounds of turns: whatever else the machine does hits all alike."""
    result.seconds = {peer.label: [] for peer in peers}
    begin = time.monotonic()
    for done in range(pace.rounds):
        if done >= 2 and time.monotonic() - begin > pace.limit:
            break
        # Every other round the other way round, so that nobody always follows the same one.
        for peer in peers if done % 2 == 0 else peers[::-1]:
            if peer.label in result.seconds:
                take_turn(peer, pace, result)


def take_turn(peer: Peer, pace: Pace, result: Result) -> None:
    """One turn; who fails in it is out."""
    time.sleep(PAUSE)
    try:
        result.seconds[peer.label] += peer.ask("time", seconds=pace.turn, least=1)["seconds"]
    except (Failed, Missing) as reason:
        if peer.label == "gimbap":
            raise
        del result.seconds[peer.label]
        result.missing[peer.label] = str(reason)


def start(commands: dict[str, list[str]], threads: int) -> tuple[list[Peer], dict[str, str]]:
    """The peers that start, and why the others do not."""
    started, missing = [], {}
    for label, command in commands.items():
        try:
            started.append(Peer(command, threads, label))
        except (Missing, Failed) as reason:
            missing[label] = str(reason)
            print(f"missing: {label}: {reason}", file=sys.stderr, flush=True)
    return started, missing
