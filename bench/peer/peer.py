"""The peer's measuring process: peer.py SPEC VARIANT, the same protocol as measure.ts (see spec.ts)."""

import json
import resource
import sys
import time


def open_workload(spec, variant):
    if "documentsFile" in spec:
        import bpe

        return bpe.open_workload(spec)
    import workloads

    return workloads.open_workload(spec, variant == "compile")


def say(line):
    print(json.dumps(line), flush=True)


def seconds(workload):
    start = time.perf_counter()
    workload.iterate()
    return time.perf_counter() - start


def take(turn, workload):
    taken = []
    while len(taken) < turn["iterations"] and (not taken or sum(taken) < turn["seconds"]):
        taken.append(seconds(workload))
    return taken


def main():
    workload = open_workload(json.loads(sys.argv[1]), sys.argv[2])
    say({"firstSeconds": seconds(workload), "warmSeconds": seconds(workload)})
    for line in sys.stdin:
        say(take(json.loads(line), workload))
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    say({"peakBytes": peak, "facts": workload.facts()})


if __name__ == "__main__":
    main()
