"""Reads the event files of a run directory back with the `tensorboard` package and prints every point.

    python conformance/check_tensorboard.py RUN_DIR [TAG ...]

Fails where there is no file, a file is damaged, or one of the tags is missing. Tried with tensorboard 2.21.0.
"""
import glob
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub import errors
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New


def events_of(file):
    """Every event; `DataLossError` where a checksum is wrong. (TensorBoard itself stops there in silence.)"""
    reader, size = PyRecordReader_New(file), 0
    while True:
        try:
            reader.GetNext()
        except errors.OutOfRangeError:
            break
        size += 16 + len(reader.record())
        yield Event.FromString(reader.record())
    if size != os.path.getsize(file):
        sys.exit(f"{file}: the last record is cut off")



run, wanted = sys.argv[1], sys.argv[2:]
files = sorted(glob.glob(os.path.join(run, "**", "events.out.tfevents.*"), recursive=True))
if not files:
    sys.exit(f"{run}: no event file")
for file in files:
    events = list(events_of(file))
    if events[0].file_version != "brain.Event:2":
        sys.exit(f"{file}: the first event's version is {events[0].file_version!r}")
    print(f"{file}: {len(events)} events")
tags = set()
for folder in sorted({os.path.dirname(file) for file in files}):
    accumulator = EventAccumulator(folder).Reload()
    for tag in accumulator.Tags()["scalars"]:
        tags.add(tag)
        print(tag, *(f"{point.step}:{point.value:.6g}" for point in accumulator.Scalars(tag)))
if missing := [tag for tag in wanted if tag not in tags]:
    sys.exit(f"{run}: no scalars {missing}; there are {sorted(tags)}")
