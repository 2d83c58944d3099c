import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import lowrank
from says import assert_says, says


def test_numpy_problem_solved_and_checked_by_numpy(example):
    s = example.solve()
    assert s.status == "Converged" and example.error(s) < 1e-4
    assert s.left.shape == (20, 5) and s.left.dtype == np.float64 and s.right is s.left
    assert s.best.estimated_rank == 2
    np.testing.assert_allclose(s.singular_values, np.linalg.svd(s.left, compute_uv=False), rtol=1e-6, atol=1e-9)


def test_on_a_gpu_or_a_software_adapter(example):
    if not lowrank.devices():
        assert not os.environ.get("LOWRANK_REQUIRE_GPU"), "no adapter"
        pytest.skip("no graphics adapter")
    s = example.solve(backend="gpu")
    assert s.report["environment"]["backend"] == "gpu"
    assert s.status == "Converged" and example.error(s) < 1e-4


def test_precisions(example):
    s = example.solve(precision="f64", stop_residual=1e-11)
    assert example.error(s) < 1e-10 and s.report["environment"]["storage"] == "f64"
    assert example.solve().report["environment"]["storage"] == "f32"
    assert example.error(example.solve(backend="reference")) < 1e-4


def test_a_batch_is_the_product_of_its_lists(example):
    s = example.solve(search_rank=[3, 5], seed=range(2), init_scale=np.array([1e-3, 1e-5]), max_iterations=60)
    found = [(t.search_rank, t.init_scale, t.seed) for t in s.trials]
    assert found == [(k, a, seed) for k in (3, 5) for a in (1e-3, 1e-5) for seed in (0, 1)]
    assert s.trials[0].left.shape == (20, 3) and s.trials[-1].left.shape == (20, 5)
    assert s.best is s.trials[s.report["best_trial"]]
    assert list(s.table["search_rank"]) == [3] * 4 + [5] * 4


def test_a_batch_gives_what_single_runs_give(example):
    # The automatic method depends on the number of trials.
    both = example.solve(seed=[3, 4], method="pursuit", max_iterations=50, stop_residual=None)
    one = example.solve(seed=4, method="pursuit", max_iterations=50, stop_residual=None)
    np.testing.assert_array_equal(both.trials[1].left, one.left)


def test_trace_is_columns(example):
    s = example.solve(truth=example.X, method="pursuit", observe="every:5", max_iterations=20)
    assert list(s.trace["iteration"]) == [0, 5, 10, 15, 20] and s.trace["iteration"].dtype == np.int64
    assert s.trace["train_loss"].dtype == np.float64 and np.isnan(s.trace["holdout_loss"]).all()
    assert s.trace["relative_error"][-1] == s.best.relative_error
    assert s.trace is s.trace


def test_trace_is_a_data_frame(example):
    pandas = pytest.importorskip("pandas")
    s = example.solve(method="prec-gd", max_iterations=100)
    frame = pandas.DataFrame(s.trace)
    assert len(frame) == 11 and frame["train_loss"].iloc[-1] < 0.1 * frame["train_loss"].iloc[0]


def test_truths(example):
    for truth in ({"truth": example.X}, {"truth_matrix": example.M}):
        s = example.solve(**truth, stop_relative_error=1e-4, stop_residual=None)
        assert s.status == "Converged" and s.best.relative_error == pytest.approx(example.error(s), rel=1e-2)


def test_asymmetric_and_signed():
    for truth in (lowrank.problem.asymmetric(18, 12, rank=2), lowrank.problem.signed(15, signature=(2, 1))):
        signed = truth.shape == (15, 15)
        op = lowrank.Dense.gaussian(truth.shape, 500, 3, model="signed" if signed else "asymmetric")
        y = truth.measure(op)
        keywords = {"signature": (3, 2)} if signed else {"search_rank": 4}
        s = lowrank.solve(op, y, stop_residual=1e-5, backend="cpu", **keywords)
        assert np.linalg.norm(s.matrix() - truth.matrix) < 1e-3 * np.linalg.norm(truth.matrix)
        assert s.right.shape[0] == truth.shape[1]


def test_starts(example):
    s = example.solve(max_iterations=30)
    again = example.solve(init=s.left, search_rank=None, max_iterations=10)
    assert again.trace["train_loss"][0] == pytest.approx(s.best.train_loss, rel=1e-3)
    assert example.error(example.solve(init="spectral")) < 1e-4
    with pytest.raises(lowrank.InvalidInput, match="init_scale: "):
        example.solve(init=s.left, search_rank=None, init_scale=1e-3)
    with pytest.raises(lowrank.InvalidInput, match="'random'"):
        example.solve(init="random")


def test_report_is_the_command_lines(example):
    report = example.solve(holdout=0.1).report
    assert report["timing"]["solve"] > 0 and report["holdout_rmse"] is not None
    assert report["settings"]["search_rank"] == 5 and report["seeds"]["init"] == [0]
    json.dumps(report)


def test_results_are_pickled(example):
    s = example.solve(seed=[0, 1], max_iterations=30)
    t = pickle.loads(pickle.dumps(s))
    np.testing.assert_array_equal(t.left, s.left)
    assert t.report == s.report and t.status == s.status and t.best.train_loss == s.best.train_loss
    np.testing.assert_array_equal(t.trace["train_loss"], s.trace["train_loss"])


def test_callback_watches_and_stops(example):
    seen = []

    def look(progress):
        seen.append(progress)
        return progress.iteration >= 20

    s = example.solve(method="gd", callback=look, callback_factors=True)
    assert [p.iteration for p in seen] == [0, 10, 20] and s.status == "Interrupted"
    assert s.best.iterations == 20 and seen[-1].left.shape == (1, 20, 5)
    np.testing.assert_array_equal(seen[-1].left[0], s.left)


def test_what_a_callback_raises_is_raised(example):
    class Mine(Exception):
        pass

    def look(progress):
        raise Mine("here")

    with pytest.raises(Mine, match="here"):
        example.solve(callback=look)


def test_a_bar_is_drawn(example, capsys):
    pytest.importorskip("tqdm")
    example.solve(progress=True)
    assert "loss=" in capsys.readouterr().err


def test_the_lock_is_released_while_solving():
    op = lowrank.Rademacher(120, 4000)
    y = np.ones(4000)
    started, ticks, done = threading.Event(), [], threading.Event()

    def tick():
        started.wait()
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.005)

    thread = threading.Thread(target=tick)
    thread.start()
    started.set()
    begin = time.monotonic()
    lowrank.solve(op, y, observe="every:1000", max_iterations=40, search_rank=10, backend="cpu", stall_window=0)
    seconds = time.monotonic() - begin
    done.set()
    thread.join()
    assert seconds > 0.1, "too short to tell"
    longest = max(np.diff([begin, *ticks]))
    assert longest < 0.5 * seconds, f"waited {longest:.2f} s of {seconds:.2f}"


INTERRUPTED = """
import signal
import numpy as np, lowrank
# A shell's background jobs ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
op = lowrank.Rademacher(60, 2000)
print("ready", flush=True)
try:
    # The default would find nothing more to do within the second.
    lowrank.solve(op, np.ones(2000), method="gd", max_iterations=10**8, stall_window=0, backend="cpu", observe="every:1")
except KeyboardInterrupt:
    print("interrupted", flush=True)
s = lowrank.solve(op, np.ones(2000), max_iterations=3, backend="cpu")
print(s.status, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_ctrl_c_interrupts_cleanly():
    child = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    time.sleep(1.0)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert out.split() == ["interrupted", "IterationLimit"] and child.returncode == 0


def test_plots(example, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    for s in (example.solve(truth=example.X), example.solve(seed=range(3), max_iterations=50)):
        figure = s.plot()
        figure.savefig(tmp_path / "s.png")
        assert all(ax.get_xlabel() and ax.get_ylabel() and ax.get_yscale() == "log" for ax in figure.axes)


def test_noisy_entries_get_the_biases_that_predict_them():
    rng = np.random.default_rng(3)
    n1, n2, m = 60, 45, 600
    rows, columns = np.divmod(rng.choice(n1 * n2, m, replace=False), n2)
    whole = 3.6 + 0.5 * rng.standard_normal((n1, 1)) + 0.5 * rng.standard_normal(n2)
    values = whole[rows, columns] + 0.7 * rng.standard_normal(m)
    s = lowrank.solve(lowrank.Entries(rows, columns, values, (n1, n2)), backend="cpu")
    mean, of_rows, of_columns = s.best.biases
    assert of_rows.shape == (n1,) and of_columns.shape == (n2,) and abs(mean - 3.6) < 0.5
    assert s.doubt is None and any(says(notice, "held out") for notice in s.notices)
    # About the noise that is left where 105 numbers are fitted to 600 entries.
    assert np.sqrt(np.mean((s.matrix() - whole) ** 2)) < 0.45
    assert pickle.loads(pickle.dumps(s)).best.biases[0] == mean


def test_what_cannot_be_explained_is_doubted():
    rng = np.random.default_rng(4)
    a = rng.standard_normal((400, 12, 12))
    a = (a + a.transpose(0, 2, 1)) / 2
    x, z = rng.standard_normal((12, 2)), rng.standard_normal((12, 1))
    s = lowrank.solve(a, np.einsum("mij,ij->m", a, x @ x.T - 2 * z @ z.T), backend="cpu")
    assert_says(s.doubt, "positive semidefinite")


def test_the_rank_is_chosen_and_entries_have_standard_errors():
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((30, 2)), rng.standard_normal((25, 2))
    truth = left @ right.T
    rows, columns = np.nonzero(rng.random((30, 25)) < 0.6)
    values = truth[rows, columns] + 0.1 * rng.standard_normal(len(rows))
    entries = lowrank.Entries(rows, columns, values, shape=(30, 25))
    s = lowrank.solve(entries, search_rank="auto", confidence=True, backend="cpu")
    assert s.selection["search_rank"] == 2 and s.left.shape == (30, 2)
    assert abs(s.report["confidence"]["noise_std"] / 0.1 - 1) < 0.2
    within = np.abs(s.matrix() - truth) < 1.96 * s.standard_errors
    assert s.standard_errors.shape == (30, 25) and 0.85 < within.mean() < 1
    plain = lowrank.solve(entries, search_rank=2, backend="cpu")
    assert plain.selection is None and plain.standard_errors is None
    ridge = lowrank.solve(entries, search_rank=3, ridge="auto:0,0.1,1", folds=3, backend="cpu", max_iterations=200)
    assert len(ridge.selection["candidates"]) == 3
    with pytest.raises(lowrank.InvalidInput, match="folds"):
        lowrank.solve(entries, folds=3)
