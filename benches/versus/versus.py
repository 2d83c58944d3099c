"""Times one gradient descent iteration of lowrank beside what people write in NumPy, JAX and PyTorch, in one run.

Every round takes one sample of every program, one after the other, and of how fast memory is read; medians over the rounds
count. Programs that are not installed are named and left out. usage: see run.sh
"""
import argparse
import csv
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

from machine import processor

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

parser = argparse.ArgumentParser()
parser.add_argument("--sizes", default="50:1000:50,100:3000:20,200:10000:20", help="n:m:k, with commas between")
parser.add_argument("--batches", default="32", help="trials of the batches timed at the last size, with commas between")
parser.add_argument("--backend", default="cpu", help="of lowrank")
parser.add_argument("--variant", help="of lowrank, instead of the best one")
parser.add_argument("--device", default="cpu", help="of PyTorch: cpu or cuda")
parser.add_argument("--read", type=int, default=800, help="megabytes of the memory test")
parser.add_argument("--lowrank", type=Path, default=ROOT / "target" / "release" / "lowrank")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--seconds", type=float, default=0.3, help="length of a sample")
parser.add_argument("--peers", default="numpy,jax,torch")
parser.add_argument("--out", type=Path, help="folder for results.csv, environment.json and README.md")
parser.add_argument("--readme", type=Path, help="file whose numbers between the markers are replaced")
args = parser.parse_args()


def python_with(module):
    """The first interpreter that has the module: this one, or the system's."""
    for python in dict.fromkeys([sys.executable, "/usr/bin/python3", shutil.which("python3")]):
        if python and subprocess.run([python, "-c", f"import numpy, {module}"], capture_output=True).returncode == 0:
            return python
    return None


class Worker:
    def __init__(self, peer, size, batch):
        python = python_with(peer)
        self.process = None
        if python is None:
            return
        words = [*map(str, size), "--batch", str(batch), "--seconds", str(args.seconds), "--device", args.device]
        self.process = subprocess.Popen(
            [python, HERE / "peers" / f"{peer}_gd.py", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self.answer()["ready"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a peer program ended early with code {self.process.wait()}")
        return json.loads(line)

    def sample(self):
        self.process.stdin.write("sample\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.communicate("stop\n")


def own(size, batch):
    n, m, k = size
    command = [args.lowrank, "bench", "iteration", "--backend", args.backend, "--n", n, "--measurements", m, "--search-rank", k]
    command += ["--storage", "f32,f16", "--batch", batch, "--samples", 1]
    command += ["--variant", args.variant] if args.variant else []
    command += ["--seconds", args.seconds, "--read", args.read, "--out", "-"]
    output = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout
    return list(csv.DictReader(io.StringIO(output)))


def share(name, of_memory, milliseconds, times):
    """Of the limit: reading the matrices for one trial, and for several the same operations in a square product of BLAS."""
    if "sgemm" in times:
        return f"{statistics.median(times['sgemm']) / milliseconds:.3f}"
    return f"{of_memory:.3f}" if batch == 1 else ""


sizes = [tuple(int(part) for part in size.split(":")) for size in args.sizes.split(",")]
batches = [int(batch) for batch in args.batches.split(",") if batch]
cases = [(size, 1) for size in sizes] + [(sizes[-1], batch) for batch in batches if batch > 1]
rows, versions, variants, adapter, software = [], {}, [], "", False
for size, batch in cases:
    peers = [peer for peer in args.peers.split(",") if peer and (batch == 1 or peer != "jax")]
    workers = {peer: Worker(peer, size, batch) for peer in peers}
    times, limits = {}, []
    for peer, worker in workers.items():
        versions[peer] = worker.version if worker.process else "not installed: left out"
    for _ in range(args.rounds):
        for worker in workers.values():
            if worker.process:
                for name, milliseconds in worker.sample().items():
                    times.setdefault(name, []).append(milliseconds)
        for row in own(size, batch):
            times.setdefault(f"lowrank_{row['storage']}", []).append(float(row["milliseconds"]))
            limits.append(float(row["limit_gigabytes_per_second"]))
            adapter, software = row["adapter"], row["software_adapter"] == "true"
            if row["variant"] not in variants:
                variants.append(row["variant"])
    for worker in workers.values():
        if worker.process:
            worker.close()
    limit = statistics.median(limits)
    n, m, k = size
    # Milliseconds of an iteration's products, 4·m·n(n+1)/2 operations a trial, at the speed of the square product.
    for square in [name for name in times if name.startswith("sgemm_")]:
        flops = 2 * m * n * (n + 1) * batch / (2 * int(square.split("_")[1]) ** 3)
        times["sgemm"] = [flops * sample for sample in times.pop(square)]
    for name, samples in times.items():
        milliseconds = statistics.median(samples)
        packed = m * n * (n + 1) / 2 * (2 if name == "lowrank_f16" else 4) / milliseconds / 1e6
        rows.append(
            {
                "n": n, "measurements": m, "search_rank": k, "batch": batch, "program": name,
                "milliseconds": f"{milliseconds:.4f}", "fastest": f"{min(samples):.4f}", "slowest": f"{max(samples):.4f}",
                "times_lowrank_f32": f"{milliseconds / statistics.median(times['lowrank_f32']):.2f}",
                "packed_gigabytes_per_second": f"{packed:.2f}", "limit_gigabytes_per_second": f"{limit:.2f}",
                "share_of_limit": share(name, packed / limit, milliseconds, times) if name.startswith("lowrank") else "",
            }
        )
        print(f"n={n} m={m} k={k} batch={batch}  {name:<18} {milliseconds:>10.3f} ms", flush=True)

LABELS = {
    "lowrank_f32": "**lowrank**", "lowrank_f16": "**lowrank**, f16 storage", "numpy_full": "NumPy, full matrices",
    "numpy_packed": "NumPy, packed", "jax_full": "JAX, full matrices", "jax_packed": "JAX, packed",
    "jax_autodiff": "JAX, differentiated", "torch_full": "PyTorch, full matrices", "torch_packed": "PyTorch, packed",
    "torch_autograd": "PyTorch, autograd", "torch_full_graph": "PyTorch, full matrices, CUDA graph",
    "torch_packed_graph": "PyTorch, packed, CUDA graph", "torch_full_compiled": "PyTorch, full matrices, compiled",
    "numpy_full_batch": "NumPy, full, two GEMMs", "numpy_packed_batch": "NumPy, packed, two GEMMs",
    "sgemm": "the products alone at the speed of a square sgemm", "torch_full_batch": "PyTorch, full, two GEMMs",
    "torch_packed_batch": "PyTorch, packed, two GEMMs", "torch_full_batch_graph": "PyTorch, full, two GEMMs, CUDA graph",
    "torch_packed_batch_graph": "PyTorch, packed, two GEMMs, CUDA graph",
}


def table(size, batch):
    n, m, k = size
    mine = [row for row in rows if (row["n"], row["measurements"], row["search_rank"], row["batch"]) == (n, m, k, batch)]
    title = f"n = {n}, m = {m}, k = {k}" + (f", {batch} trials" if batch > 1 else "")
    lines = [f"| {title} | ms an iteration | times lowrank f32 | of the limit |", "|---|---|---|---|"]
    for row in sorted(mine, key=lambda row: float(row["milliseconds"])):
        share = f"{100 * float(row['share_of_limit']):.0f} %" if row["share_of_limit"] else ""
        name, times = LABELS.get(row["program"], row["program"]), row["times_lowrank_f32"]
        lines.append(f"| {name} | {float(row['milliseconds']):.3g} | {times} | {share} |")
    if batch > 1:
        looped_peers = [name for name in ("numpy_full", "torch_full_graph", "torch_full") if name in {r["program"] for r in rows}]
        single = [row for row in rows if row["batch"] == 1 and row["program"] in looped_peers[:1] and row["n"] == n]
        own_time = [row for row in mine if row["program"] == "lowrank_f32"]
        if single and own_time:
            looped = batch * float(single[0]["milliseconds"])
            ratio = looped / float(own_time[0]["milliseconds"])
            lines.append(f"| {LABELS[single[0]['program']]}, {batch} runs | {looped:.3g} | {ratio:.2f} | |")
    return "\n".join(lines)


commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
command = "bash benches/versus/run.sh" if args.backend == "cpu" else "bash benches/gpu.sh"
command += f" --variant {args.variant}" if args.variant else ""
environment = {
    "date": str(date.today()), "commit": commit, "command": command, "processor": processor(),
    "cores": os.cpu_count(), "system": platform.platform(), "adapter": adapter, "software_adapter": software,
    "variants": variants, "programs": versions, "rounds": args.rounds,
}
limits = sorted(float(row["limit_gigabytes_per_second"]) for row in rows)
left_out = [f"{peer} is {version}" for peer, version in versions.items() if "left out" in version]
programs = ", ".join(version for version in versions.values() if "left out" not in version)
where = f"{adapter}, {environment['cores']} cores" if args.backend == "cpu" else adapter
warning = "**A software adapter: these numbers say nothing about a GPU.** " if software else ""
tested = "read test" if args.backend == "cpu" else "copy (bytes read and written)"
text = (
    f"{warning}Milliseconds of one gradient descent iteration, single precision, {environment['date']}, {where}, "
    f"variants `{'`, `'.join(variants)}`, against {programs}"
    + (f" ({'; '.join(left_out)})" if left_out else "")
    + f". Medians of {args.rounds} rounds in which all programs take turns; `{command}` remakes them. The limit is the "
    f"fastest {tested} of the same rounds, {limits[0]:.1f} to {limits[-1]:.1f} GB/s here, and counts every byte of the packed matrices once"
    + ("; that of a batch is a square sgemm of NumPy's BLAS in the same rounds" if any(row["program"] == "sgemm" for row in rows) else "")
    + ".\n\n"
    + "\n\n".join(table(size, batch) for size, batch in cases)
)
print("\n" + text)
if args.out:
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.out / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (args.out / "environment.json").write_text(json.dumps(environment, indent=2) + "\n")
    (args.out / "README.md").write_text(f"# One iteration on {adapter}\n\n{text}\n")
if args.readme:
    begin, end = "<!-- numbers: written by benches/versus/run.sh -->", "<!-- end of numbers -->"
    whole = args.readme.read_text()
    if begin not in whole or end not in whole:
        sys.exit(f"{args.readme} lacks the markers {begin} … {end}")
    head, tail = whole.split(begin)[0], whole.split(end)[1]
    args.readme.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
