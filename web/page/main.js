// The form, and what is shown of a run.
import { draw, key, paint, readable, strong } from "./chart.js";
import { Solver } from "./solver.js";

const $ = (id) => document.getElementById(id);
const solver = new Solver();
const LIBRARY = "";
const COLUMNS = ["iteration", "train_loss", "relative_residual", "relative_error"];

let files = [];
// Runs that are shown: that of the form and one beside it.
let runs = [];
// Number of the last start: what an earlier one still says is dropped.
let turn = 0;
let drawing = false;
let waiting;
// What the browser tells of its WebGPU adapter.
let device = "";
// What each operator measures, by its word.
let operators = new Map();
let wantsComplex = false;

function number(id) {
  return $(id).value === "" ? null : Number($(id).value);
}

/** What the form asks for, with another method if one is named. Without a method the library chooses its start too. */
function wish(method) {
  const chosen = method === LIBRARY;
  return {
    backend: $("backend").value,
    precision: $("precision").value,
    problem: {
      operator: $("operator").value,
      complex: $("complex").checked,
      n: number("n"),
      rank: number("rank"),
      measurements: number("measurements"),
      condition_number: number("condition"),
      noise_std: number("noise"),
      seed: number("seed"),
    },
    method: chosen ? null : method,
    search_rank: chosen ? null : number("k"),
    init_scale: chosen ? null : 10 ** number("alpha"),
    init_seed: number("seed"),
    step_size: chosen ? null : number("step"),
    max_iterations: number("iterations"),
  };
}

/** Ticks the kind of matrices where the chosen operator measures one only, else what the user ticked last. */
function kinds() {
  const { real, complex } = operators.get($("operator").value);
  $("complex").disabled = !(real && complex);
  $("complex").checked = real && complex ? wantsComplex : complex;
}

/** Strings of Pauli matrices belong to qubits, n = 2^q. */
function qubits() {
  if ($("operator").value === "pauli") $("n").value = 2 ** Math.max(1, Math.round(Math.log2(number("n") ?? 64)));
}

function show() {
  $("k-value").value = $("k").value;
  $("alpha-value").value = readable(10 ** number("alpha"));
  $("alpha").setAttribute("aria-valuetext", $("alpha-value").value);
  const chosen = $("method").value === LIBRARY;
  for (const id of ["k", "alpha", "step"]) $(id).disabled = chosen;
  $("made").disabled = files.length > 0;
  $("k").max = Math.min(60, files.length > 0 ? 60 : Math.max(1, number("n") ?? 1));
}

function name(run) {
  return run.start?.method ?? run.asked;
}

function phases(run) {
  const stretches = [];
  for (const { row } of run.seen) {
    const number = row.diagnosis?.phase ?? row.phase_proxy;
    if (number === null || number === undefined) continue;
    const last = stretches[stretches.length - 1];
    if (last?.number === number) last.end = row.iteration;
    else {
      if (last) last.end = row.iteration;
      stretches.push({ number, begin: row.iteration, end: row.iteration });
    }
  }
  return stretches;
}

const curve = (run, value) =>
  run.seen.map((seen) => [seen.row.iteration, value(seen)]).filter(([, y]) => y !== null && y !== undefined && y > 0);

/** Series of a chart: each kind for the run of the form, and dashed for the one beside it. */
function both(kinds) {
  return runs.flatMap((run, at) =>
    kinds.map(({ kind, name: what, value }) => ({
      kind: at === 0 ? kind : `${kind} beside`,
      name: runs.length > 1 ? `${what}, ${name(run)}` : what,
      points: curve(run, value),
    })),
  ).filter(({ points }) => points.length > 0);
}

function spectrum(run) {
  const width = run.seen.reduce((most, seen) => Math.max(most, seen.spectrum.length), 0);
  const rank = run.start?.truth.length ?? 0;
  return Array.from({ length: width }, (_, i) => ({
    kind: i < rank ? "one" : rank > 0 ? "rest" : "one",
    name: i === 0 || i === rank ? `σ${i + 1}` : "",
    points: curve(run, (seen) => seen.spectrum[i]),
  }));
}

function redraw() {
  drawing = false;
  const [run] = runs;
  if (run === undefined) return;
  const last = runs.reduce((most, { seen }) => Math.max(most, seen.at(-1)?.row.iteration ?? 0), 1);
  const coloured = phases(run);
  const errors = both([
    { kind: "one", name: "error ‖Z − M‖/‖M‖", value: ({ row }) => row.relative_error },
    { kind: "two", name: "residual ‖A(Z) − y‖/‖y‖", value: ({ row }) => row.relative_residual },
  ]);
  draw($("errors"), "Errors", errors, coloured, last);
  key($("error-key"), errors);
  draw($("spectrum"), "Singular values", spectrum(run), coloured, last);
  key($("spectrum-key"), spectrum(run).length === 0 ? [] : run.start.has_truth
    ? [{ kind: "one", name: "as many as the rank" }, { kind: "rest", name: "the others" }] : [{ kind: "one", name: "all" }]);
  const angles = [
    { kind: "one", name: "to the truth", points: curve(run, ({ row }) => row.diagnosis?.angle_truth) },
    { kind: "two", name: "to the spectral directions", points: curve(run, ({ row }) => row.diagnosis?.angle_spectral) },
    { kind: "three", name: "signal σmin(VᵀU)", points: curve(run, ({ row }) => row.diagnosis?.signal_min) },
    { kind: "four", name: "noise ‖UW‖", points: curve(run, ({ row }) => row.diagnosis?.noise_norm) },
  ].filter(({ points }) => points.length > 0);
  draw($("angles"), "Angles", angles, coloured, last);
  key($("angle-key"), angles);
  pictures(run);
  strip(run);
  $("progress").max = run.seen.at(-1)?.max_iterations ?? 1;
  $("progress").value = run.end ? $("progress").max : run.seen.at(-1)?.row.iteration ?? 0;
}

function pictures(run) {
  $("truth-box").hidden = run.truth.length === 0;
  const scale = strong(run.truth.length > 0 ? run.truth : run.picture);
  paint($("truth"), run.truth, run.truthColumns, scale);
  paint($("found"), run.picture, run.columns, scale);
  $("found-name").textContent = `${run.start?.complex ? "real part of " : ""}the iterate of ${name(run)}`;
  $("truth-name").textContent = run.start?.complex ? "real part of the truth" : "the truth";
}

function strip(run) {
  const now = run.seen.at(-1)?.row;
  const phase = now?.diagnosis?.phase ?? now?.phase_proxy ?? null;
  for (const item of $("phases").children) {
    const begin = phases(run).find(({ number }) => String(number) === item.dataset.phase)?.begin;
    item.querySelector("span").textContent = begin === undefined ? "" : `from iteration ${begin}`;
    if (item.dataset.phase === String(phase)) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
}

function later() {
  if (!drawing) requestAnimationFrame(redraw);
  drawing = true;
}

function take(run, { event, pixels, columns, failed }) {
  if (failed !== undefined) run.failed = failed;
  else if (event.event === "start") {
    run.start = event;
    [run.truth, run.truthColumns] = [pixels, columns];
    const { backend, adapter, precision, rows, measurements, operator } = event;
    const unknown = event.complex ? " complex" : "";
    const place = backend === "gpu" ? `on WebGPU (${adapter || device || "an adapter without a name"})` : "on the processor, in one thread of WebAssembly";
    $("where").textContent = `${event.method}: ${rows} × ${event.columns}${unknown} from ${measurements} ${operator} measurements, ${precision}, ${place}`;
  } else if (event.event === "seen") {
    if (event.fit !== run.seen.at(-1)?.fit) run.seen = [];
    run.seen.push(event);
    [run.picture, run.columns] = [pixels, columns];
  } else {
    run.end = event;
    [run.picture, run.columns] = [pixels, columns];
  }
  later();
}

function refuse(sentence) {
  $("fault").textContent = sentence;
  $("fault").hidden = sentence === "";
}

async function start() {
  if (!$("wish").reportValidity()) return;
  clearTimeout(waiting);
  turn += 1;
  const mine = turn;
  solver.stop();
  refuse("");
  const methods = [$("method").value, ...($("beside").value === "none" ? [] : [$("beside").value])];
  runs = methods.map((asked) => ({ asked: asked || "chosen by the library", seen: [], truth: new Float32Array(), picture: new Float32Array() }));
  $("result").hidden = true;
  Object.assign(document.body.dataset, { state: "running", run: mine });
  $("stop").disabled = false;
  // The run of the form comes last, so that its factors can be asked for.
  for (const at of [...methods.keys()].reverse()) {
    try {
      await solver.solve(wish(methods[at]), files, (said) => mine === turn && take(runs[at], said));
    } catch (error) {
      if (mine !== turn) return;
      if (error !== null) runs[at].failed ??= error.message;
      solver.stop();
    }
    if (mine !== turn) return;
    if (runs[at].failed !== undefined) {
      refuse(runs[at].failed);
      break;
    }
  }
  ended();
}

function stop() {
  turn += 1;
  solver.stop();
  ended();
}

function ended() {
  $("stop").disabled = true;
  document.body.dataset.state = runs.every(({ failed }) => failed === undefined) && runs[0]?.end ? "done" : "stopped";
  if (runs[0]?.end) result();
  redraw();
}

function cell(text, tag = "td") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function result() {
  const finished = runs.filter(({ end }) => end);
  $("rows").replaceChildren(...finished.map((run) => {
    const row = document.createElement("tr");
    const { iterations, relative_error, relative_residual, estimated_rank, seconds } = run.end;
    const head = cell(name(run), "th");
    head.scope = "row";
    row.append(head, ...[iterations, readable(relative_error), readable(relative_residual), estimated_rank, seconds.toFixed(2)].map((text) => cell(text)));
    return row;
  }));
  const { end } = runs[0];
  $("sentence").textContent = `${name(runs[0])}: ${end.sentence}. Estimated rank ${end.estimated_rank}, error ${readable(end.relative_error)}.`;
  $("remarks").replaceChildren(...[...new Set(end.remarks)].map((text) => cell(text, "li")));
  $("downloads").replaceChildren(
    ...end.factors.map((factor, index) => button(`${factor}.npy`, () => solver.factor(index))),
    button("trace.csv", () => new TextEncoder().encode(trace())),
  );
  $("result").hidden = false;
}

/** The observations of the form's run, with the columns of the program's trace. */
function trace() {
  const lines = runs[0].seen.map(({ row }) => COLUMNS.map((column) => row[column] ?? "").join(","));
  return `${[COLUMNS.join(","), ...lines].join("\n")}\n`;
}

function button(file, bytes) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = `Download ${file}`;
  made.addEventListener("click", async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await bytes()]));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
  return made;
}

async function load(list) {
  const added = await Promise.all([...list].map(async (file) => ({ name: file.name, bytes: await file.arrayBuffer() })));
  files = [...files.filter(({ name: old }) => !added.some((file) => file.name === old)), ...added];
  loaded();
  start();
}

function loaded() {
  $("loaded").replaceChildren(...files.map(({ name: file, bytes }) => cell(`${file} (${bytes.byteLength.toLocaleString("en")} bytes)`, "li")));
  $("clear").hidden = files.length === 0;
  show();
}

function options(list, entries) {
  list.replaceChildren(...entries.map(([value, text, title]) => {
    const option = new Option(text, value);
    option.title = title ?? "";
    return option;
  }));
}

function listen() {
  $("wish").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
    // On a narrow window the curves are below the form.
    $("watch").scrollIntoView({ block: "nearest" });
  });
  $("wish").addEventListener("input", ({ target }) => {
    show();
    // Dragging shows the new run at once; other fields wait for Run.
    if (target.type !== "range") return;
    clearTimeout(waiting);
    waiting = setTimeout(start, 150);
  });
  $("operator").addEventListener("change", () => {
    kinds();
    qubits();
  });
  $("complex").addEventListener("change", ({ target }) => {
    wantsComplex = target.checked;
  });
  $("stop").addEventListener("click", stop);
  $("files").addEventListener("change", ({ target }) => {
    load(target.files);
    target.value = "";
  });
  $("clear").addEventListener("click", () => {
    files = [];
    loaded();
    start();
  });
  const over = (on) => (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", on);
  };
  // A file that misses the box must not replace the page.
  document.addEventListener("dragover", over(true));
  document.addEventListener("dragleave", over(false));
  document.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length > 0) load(event.dataTransfer.files);
  });
  new ResizeObserver(later).observe($("watch"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", later);
}

async function open() {
  const { words, canSuspend } = await solver.words();
  options($("operator"), words.operators.map(({ word, meaning }) => [word, word, meaning]));
  operators = new Map(words.operators.map((of) => [of.word, of]));
  kinds();
  const methods = words.methods.map(({ word, meaning }) => [word, word, meaning]);
  options($("method"), [...methods, [LIBRARY, "chosen by the library"]]);
  options($("beside"), [["none", "nothing"], [LIBRARY, "the library's choice"], ...methods]);
  options($("precision"), words.precisions.map((word) => [word, word]));
  const adapter = canSuspend && "gpu" in navigator ? await navigator.gpu.requestAdapter() : null;
  device = [adapter?.info?.vendor, adapter?.info?.architecture].filter((word) => word).join(" ");
  $("backend").querySelector('[value="gpu"]').disabled = adapter === null;
  $("where").textContent = adapter !== null ? "Ready. WebGPU is available."
    : `Ready. Runs use the processor: ${"gpu" in navigator ? canSuspend ? "there is no WebGPU adapter" : "this browser cannot suspend WebAssembly" : "this browser has no WebGPU"}.`;
  $("beside").value = LIBRARY;
  listen();
  show();
  document.body.dataset.state = "ready";
}

open().catch((error) => refuse(`The program could not be loaded: ${error.message}. Reload the page, or use a newer browser.`));
