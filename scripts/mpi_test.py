"""Compares solves of 1 to 4 ranks under mpirun. Called by scripts/mpi-test.sh."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LOWRANK = str(Path(sys.argv[1]).resolve())
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"] + (["--allow-run-as-root"] if os.geteuid() == 0 else [])
# More ranks than cores: a rank that waits lets the others compute.
os.environ.update(OMPI_MCA_mpi_yield_when_idle="1", LP_NUM_THREADS="1")
failures = []


def check(what, good, why=""):
    print(("ok    " if good else "FAIL  ") + what + ("" if good else f"  {why}"), flush=True)
    if not good:
        failures.append(what)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)


def generate(folder, *flags):
    made = run(LOWRANK, "generate", "--seed", 3, "--out", folder, *flags)
    assert made.returncode == 0, made.stderr


def solve(ranks, folder, name, *flags):
    out, report = folder / f"{name}-{ranks}.npz", folder / f"{name}-{ranks}.json"
    launcher = MPIRUN + ["-n", str(ranks)] if ranks else []
    done = run(*launcher, LOWRANK, "solve", *flags, "--out", out, "--report", report)
    assert done.returncode == 0, f"{name}, {ranks} ranks: {done.returncode}\n{done.stdout}\n{done.stderr}"
    factors = np.load(out)
    return {k: factors[k] for k in factors.files}, json.loads(report.read_text()), done


def product(factors, signature=None):
    left = factors["left"][0]
    if "right" in factors:
        return left @ factors["right"][0].T
    signs = np.ones(left.shape[1])
    if signature:
        signs[signature[0]:] = -1
    return left * signs @ left.T


def cases(at):
    def made(name, *flags):
        generate(at / name, *flags)
        return at / name

    d = made("dense", "--n", 20, "--rank", 2, "--measurements", 601)
    yield "dense", ["--matrices", d / "A.npy", "--observations", d / "y.npy", "--truth", d / "X.npy"], None
    d = made("pair", "--model", "asymmetric", "--shape", "18,13", "--rank", 2, "--measurements", 701)
    yield "dense, asymmetric", ["--model", "asymmetric", "--matrices", d / "A.npy", "--observations", d / "y.npy", "--truth", d / "X.npz",
                                "--search-rank", 4], None
    d = made("signed", "--model", "signed", "--signature", "1,1", "--n", 18, "--measurements", 801)
    yield "dense, signed", ["--model", "signed", "--signature", "2,2", "--matrices", d / "A.npy", "--observations", d / "y.npy",
                            "--truth", d / "X.npz"], (2, 2)
    for name in ["seeded", "rademacher"]:
        d = made(name, "--operator", name, "--n", 20, "--rank", 2, "--measurements", 601)
        seed = json.loads((d / "problem.json").read_text())["seeds"]["operator"]
        yield name, ["--operator", name, "--operator-seed", seed, "--measurements", 601, "--n", 20,
                     "--observations", d / "y.npy", "--truth", d / "X.npy"], None
    d = made("rank_one", "--operator", "rank_one", "--n", 20, "--rank", 2, "--measurements", 801)
    yield "rank_one", ["--vectors", d / "a.npy", "--observations", d / "y.npy", "--truth", d / "X.npy", "--search-rank", 4], None
    d = made("sparse", "--operator", "sparse", "--n", 20, "--rank", 2, "--measurements", 801)
    yield "sparse", ["--sparse", d / "A.mtx", "--observations", d / "y.npy", "--layout", "packed", "--shape", "20,20",
                     "--truth", d / "X.npy", "--search-rank", 4], None
    d = made("entries", "--operator", "entries", "--model", "asymmetric", "--shape", "30,20", "--rank", 2, "--measurements", 481)
    yield "entries", ["--entries", d / "entries.csv", "--shape", "30,20", "--index-base", 0, "--truth", d / "X.npz", "--search-rank", 2], None


def every_operator(at):
    more = ["--init-scale", "1e-4", "--stop-relative-error", "1e-4", "--max-iterations", 600]
    for name, flags, signature in cases(at):
        word = name.replace(", ", "-")
        alone, report, _ = solve(0, at, word, *flags, *more)
        results = {ranks: solve(ranks, at, word, *flags, *more) for ranks in (1, 2, 3, 4)}
        same = all(np.array_equal(results[r][0][k], results[1][0][k]) for r in results for k in alone)
        check(f"{name}: 1, 2, 3 and 4 ranks give the same bits", same)
        parts, _, _ = solve(0, at, word + "-parts", *flags, *more, "--parts", 12)
        check(f"{name}: the same bits as the same parts in one process", all(np.array_equal(parts[k], results[3][0][k]) for k in alone))
        iterations = [r[1]["trials"][0]["iterations"] for r in results.values()] + [report["trials"][0]["iterations"]]
        check(f"{name}: as many iterations as one process, within one look", max(iterations) - min(iterations) <= 10, iterations)
        a, b = product(alone, signature), product(results[4][0], signature)
        apart = np.linalg.norm(a - b) / np.linalg.norm(a)
        check(f"{name}: the same end, both within the target of the truth", apart <= 2e-4, apart)
        _, report, done = results[4]
        team = report["environment"]["team"]
        check(f"{name}: four ranks and their bytes in the report", team["ranks"] == 4 and team["bytes_sent"] > 0, team)
        said = [text.count("\niterations ") for text in (done.stdout, results[1][2].stdout)]
        check(f"{name}: one rank prints", said == [1, 1], said)
    return ["--matrices", at / "dense" / "A.npy", "--observations", at / "dense" / "y.npy", "--truth", at / "dense" / "X.npy"]


def chosen_method(at, dense):
    flags = [*dense, "--stop-relative-error", "1e-5", "--quiet"]
    ends = {ranks: solve(ranks, at, "chosen", *flags) for ranks in (1, 2, 3)}
    same = all(np.array_equal(ends[r][0]["left"], ends[1][0]["left"]) for r in ends)
    reached = [end[1]["trials"][0]["status"] for end in ends.values()]
    check("the method that is chosen: 1, 2 and 3 ranks give the same bits", same and reached == ["Converged"] * 3, reached)


def backends(at, dense):
    flags = [*dense, "--init-scale", "1e-4", "--stop-relative-error", "1e-4", "--max-iterations", 600, "--quiet"]
    for words in ["cpu,reference", "cpu,gpu:llvmpipe"]:
        if "llvmpipe" in words and "llvmpipe" not in run(LOWRANK, "list", "devices").stdout:
            print("left out: no llvmpipe here")
            continue
        _, report, _ = solve(2, at, "mixed", *flags, "--backend", words)
        check(f"one rank on each of {words}", report["trials"][0]["status"] == "converged" or report["trials"][0]["status"] == "Converged")


def faults(at, dense):
    done = run(*MPIRUN, "-n", 3, LOWRANK, "solve", "--matrices", "nowhere.npy", "--observations", "nowhere.npy")
    check("an error that all ranks find is said once", done.returncode == 2 and done.stderr.count("error: ") == 1, done.stderr)
    done = run(*MPIRUN, "-n", 3, LOWRANK, "solve", *dense, "--backend", "cpu,cpu,gpu:none-of-that-name")
    good = done.returncode == 2 and done.stderr.count("error: ") == 1 and "rank 2 of 3" in done.stderr
    check("an error of one rank ends the job with its message", good, done.stderr)
    done = run(*MPIRUN, "-n", 3, LOWRANK, "solve", *dense, "--parts", 2)
    check("fewer parts than ranks are refused", done.returncode == 2 and "--parts" in done.stderr, done.stderr)
    begun = time.time()
    job = subprocess.Popen([*MPIRUN, "-n", "3", LOWRANK, "solve", *map(str, dense), "--method", "gd", "--max-iterations", "100000000", "--stall-window", "0"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    ranks = run("pgrep", "-P", job.pid).stdout.split()
    os.kill(int(ranks[1]), signal.SIGKILL)
    code = job.wait(timeout=60)
    check("a killed rank ends the job", len(ranks) == 3 and code != 0 and time.time() - begun < 60, (ranks, code))
    out = at / "interrupted.npz"
    job = subprocess.Popen([*MPIRUN, "-n", "3", LOWRANK, "solve", *map(str, dense), "--method", "gd", "--max-iterations", "100000000", "--stall-window", "0",
                            "--quiet", "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    ranks = run("pgrep", "-P", job.pid).stdout.split()
    os.kill(int(ranks[2]), signal.SIGINT)
    job.wait(timeout=60)
    check("one rank that is interrupted stops all of them, and what there is has been written", job.returncode == 1 and out.exists(),
          job.returncode)


# Runs what follows, then writes the most memory that it held, in kB, for its rank.
MEASURED = """
import os, resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
rank = os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK", "0"))
open(f"{sys.argv[1]}/{rank}", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def memory(ranks, at, *flags):
    """Megabytes that the largest rank held at most. Pages of the mapped file count."""
    folder = at / f"memory-{ranks}"
    folder.mkdir()
    launcher = [*MPIRUN, "-n", ranks] if ranks else []
    done = run(*launcher, sys.executable, "-c", MEASURED, folder, LOWRANK, "solve", *flags)
    assert done.returncode in (0, 1), done.stderr
    return max(int(file.read_text()) for file in folder.iterdir()) / 1e3


def scaling(at, folder):
    """Times of an iteration, bytes, and the memory of a rank, for one dense problem read from a mapped file."""
    d = at / "large"
    n, m, k = 200, 5000, 20
    generate(d, "--n", n, "--rank", 5, "--measurements", m)
    flags = ["--matrices", d / "A.npy", "--layout", "packed", "--observations", d / "y.npy", "--search-rank", k, "--step-size", "0.25",
             "--init-scale", "1e-6", "--method", "gd", "--max-iterations", 100, "--observe", "every:100", "--backend", "cpu", "--quiet"]
    rows = []
    for ranks in [0, 1, 2, 4]:
        best = min((solve(ranks, at, "scaling", *flags)[1] for _ in range(3)), key=lambda r: r["timing"]["seconds_per_iteration"])
        team = best["environment"].get("team") or {"bytes_per_gradient": 0, "measurements": m, "bytes_sent": 0}
        threads = best["environment"]["threads"]
        rows.append((ranks, threads, best["timing"]["seconds_per_iteration"] * 1e3, team["bytes_per_gradient"], team["measurements"], memory(ranks, at, *flags)))
    base = rows[0][2]
    lines = [f"# Ranks on one machine of {os.cpu_count()} cores", "",
             f"One solve, n = {n}, m = {m}, k = {k}, f32, packed rows in a mapped file; the best of three runs each, `bash scripts/mpi-test.sh OUT`.", "",
             "| ranks | threads a rank | ms an iteration | over one process | bytes a rank hands out for a gradient | measurements of rank 0 "
             "| most memory of a rank, MB |",
             "|---|---|---|---|---|---|---|"]
    for ranks, threads, ms, sent, own, held in rows:
        lines.append(f"| {ranks or 'one process'} | {threads} | {ms:.1f} | {ms / base:.2f} | {sent} | {own} | {held:.0f} |")
    lines += ["", "The ranks share the cores and the memory of one machine, so this shows what sharing costs and cannot show what several machines",
              "would gain: all ranks read through the same cores. n·k·4 bytes are "
              f"{n * k * 4}; 24 more are the moments of the residuals. The matrices are {m * n * (n + 1) // 2 * 4 / 1e6:.0f} MB; every rank",
              "reads them once, to check them, and from then on its own; pages of the file that a process has read count as its own until the",
              "system takes them back.", ""]
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "scaling.md").write_text("\n".join(lines))
    print("\n".join(lines))


with tempfile.TemporaryDirectory() as name:
    at = Path(name)
    if len(sys.argv) > 2:
        scaling(at, sys.argv[2])
    else:
        dense = every_operator(at)
        chosen_method(at, dense)
        backends(at, dense)
        faults(at, dense)
if failures:
    sys.exit(f"{len(failures)} failed: {failures}")
