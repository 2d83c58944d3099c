// Drives the page and compares it with the program. Arguments: the page's folder, the program, chromium, a folder for
// pictures.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { apart, npy, square, table } from "./numbers.mjs";
import { browser, download, ends, fill, open, run } from "./page.mjs";
import { serve } from "./server.mjs";

const [folder, program, chromium, pictures] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), "lowrank-web-"));
mkdirSync(pictures, { recursive: true });

const SIZES = { n: 40, rank: 3, measurements: 1200 };
const MADE = { operator: "dense", ...SIZES, condition: 1, noise: 0, seed: 5 };
const SOLVER = { method: "gd", k: 12, alpha: -4, iterations: 300, beside: "none", backend: "cpu" };
// Both compute in f64 with sums in the same order, but the program has the fused multiply-add. Roundings of 1e-16 grow as
// the iterate does, from α = 1e-4 to 1, and weigh most where the error is small.
const DOUBLE = 1e-9;
// f32 rounds to 6e-8, and grows the same way.
const SINGLE = 1e-2;

/** The program on the same problem: its folder with the measurements, y.npy, X.npy, trace.csv and factors.npz. */
function native(precision, { operator, flag, file, sizes } = { operator: "dense", flag: "--matrices", file: "A.npy", sizes: SIZES }) {
  const out = join(work, `native-${operator}-${precision}`);
  const at = (name) => join(out, name);
  const text = (values) => Object.entries(values).flatMap(([key, value]) => [`--${key}`, String(value)]);
  execFileSync(program, ["generate", "--operator", operator, ...text(sizes), "--seed", MADE.seed, "--out", out].map(String));
  const settings = { method: "gd", "search-rank": SOLVER.k, "init-scale": 10 ** SOLVER.alpha, seed: MADE.seed,
    "max-iterations": SOLVER.iterations, observe: "every:2", precision, backend: "cpu" };
  execFileSync(program, ["solve", flag, at(file), "--observations", at("y.npy"), "--truth", at("X.npy"),
    ...text(settings), "--trace", at("trace.csv"), "--out", at("factors.npz"), "--quiet"]);
  return { out, at, trace: table(at("trace.csv")) };
}

/** Compares errors and residuals of two traces down to `floor`. */
function compare(name, found, wanted, bound, floor) {
  const byIteration = new Map(wanted.map((row) => [row.iteration, row]));
  let [worst, count] = [0, 0];
  for (const row of found) {
    const other = byIteration.get(row.iteration);
    if (other === undefined) continue;
    for (const column of ["relative_error", "relative_residual"]) {
      if (other[column] < floor) continue;
      worst = Math.max(worst, Math.abs(row[column] - other[column]) / other[column]);
      count += 1;
    }
  }
  assert.ok(count > 50, `${name}: only ${count} numbers were compared`);
  assert.ok(worst <= bound, `${name}: ${worst} apart, allowed ${bound}`);
  console.log(`${name}: ${count} errors and residuals within ${worst.toExponential(1)} (allowed ${bound})`);
}

const text = (page, id) => page.locator(`#${id}`).innerText();

async function equalsTheProgram(page) {
  const programs = { f64: native("f64"), f32: native("f32") };
  for (const [precision, bound, floor] of [["f64", DOUBLE, 1e-12], ["f32", SINGLE, 1e-5]]) {
    await fill(page, { ...MADE, ...SOLVER, precision });
    assert.equal(await run(page), "done", await text(page, "fault"));
    assert.match(await text(page, "where"), /on the processor/);
    compare(`made in the page, ${precision}`, table(await download(page, "trace.csv")), programs[precision].trace, bound, floor);
  }
  return programs;
}

/** A complex matrix: the choice follows the operator, and the curves are those of the program. */
async function measuresStates(page) {
  await fill(page, { ...MADE, n: 30 });
  assert.ok(await page.locator("#complex").isEnabled() && !(await page.locator("#complex").isChecked()));
  await fill(page, { operator: "pauli" });
  assert.ok(await page.locator("#complex").isDisabled() && await page.locator("#complex").isChecked());
  assert.equal(await page.locator("#n").inputValue(), "32");
  const sizes = { n: 16, rank: 1, measurements: 200 };
  await fill(page, { ...sizes, ...SOLVER, precision: "f64" });
  assert.equal(await run(page), "done", await text(page, "fault"));
  assert.match(await text(page, "where"), /16 × 16 complex from 200 pauli/);
  assert.equal(await text(page, "truth-name"), "real part of the truth");
  const { trace } = native("f64", { operator: "pauli", flag: "--pauli", file: "strings.txt", sizes });
  compare("Pauli strings, f64", table(await download(page, "trace.csv")), trace, DOUBLE, 1e-12);
  await page.locator("#watch").screenshot({ path: join(pictures, "complex.png") });
  await fill(page, MADE);
  assert.ok(await page.locator("#complex").isEnabled() && !(await page.locator("#complex").isChecked()));
}

/** Files are dropped, solved and given back. */
async function readsAndWritesFiles(page, { at, trace }) {
  const bytes = ["A.npy", "y.npy", "X.npy"].map((name) => [name, readFileSync(at(name)).toString("base64")]);
  const dropped = await page.evaluateHandle((list) => {
    const transfer = new DataTransfer();
    for (const [name, text] of list) {
      transfer.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));
    }
    return transfer;
  }, bytes);
  await fill(page, { precision: "f64" });
  const drop = () => page.dispatchEvent("#drop", "drop", { dataTransfer: dropped });
  assert.equal(await ends(page, drop), "done", await text(page, "fault"));
  assert.ok(await page.locator("#n").isDisabled(), "the made problem stays changeable beside files");
  compare("files", table(await download(page, "trace.csv")), trace, DOUBLE, 1e-12);
  const u = npy(await download(page, "left.npy"));
  assert.deepEqual(u.shape, [SIZES.n, SOLVER.k]);
  const error = apart(square(u), square(npy(at("X.npy"))));
  const reported = table(await download(page, "trace.csv")).at(-1).relative_error;
  assert.ok(Math.abs(error - reported) <= 1e-6 * reported + 1e-12, `the downloaded factor has the error ${error}, reported ${reported}`);
  assert.ok(error < 1e-2, `the error ${error} is large`);
  console.log(`the downloaded factor: error ${error.toExponential(3)}, as reported`);
}

async function refusesBadFiles(page) {
  const bad = join(work, "ratings.csv");
  writeFileSync(bad, "row,column,value\n0,1,2\n0,one,3\n");
  await ends(page, () => page.locator("#clear").click());
  assert.equal(await ends(page, () => page.locator("#files").setInputFiles(bad)), "stopped");
  assert.match(await text(page, "fault"), /ratings\.csv: found '0,one,3' in line 3; allowed: lines row,column,value/);
  const rows = Array.from({ length: 400 }, (_, i) => [i % 20, (i * 7) % 30, Math.sin((i % 20) + 1) * Math.cos((i * 7) % 30)].join(","));
  writeFileSync(bad, rows.join("\n"));
  await fill(page, { method: "", beside: "none" });
  assert.equal(await ends(page, () => page.locator("#files").setInputFiles(bad)), "done", await text(page, "fault"));
  assert.match(await text(page, "where"), /20 × 30 from \d+ entries/);
  await download(page, "right.npy");
  await ends(page, () => page.locator("#clear").click());
}

/** A long run leaves the page alive, and ends at a press of the keyboard. */
async function staysAlive(page) {
  await fill(page, { ...MADE, ...SOLVER, n: 200, measurements: 8000, iterations: 100000 });
  await page.locator("#run").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#errors path") !== null, null, { timeout: 120_000 });
  const frames = await page.evaluate(() => new Promise((resolve) => {
    let count = 0;
    const next = () => { count += 1; requestAnimationFrame(next); };
    next();
    setTimeout(() => resolve(count), 1000);
  }));
  assert.ok(frames > 5, `${frames} frames a second while the solver runs`);
  await page.locator("#stop").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.body.dataset.state), "stopped");
}

/** The sliders start a run by themselves, and the phases pass. */
async function followsSliders(page) {
  await fill(page, { ...MADE, ...SOLVER, beside: "" });
  await run(page);
  const before = await text(page, "sentence");
  await page.locator("#alpha").focus();
  const drag = async () => {
    for (let i = 0; i < 8; i += 1) await page.keyboard.press("ArrowLeft");
  };
  assert.equal(await ends(page, drag), "done");
  assert.notEqual(await text(page, "sentence"), before);
  assert.equal(await page.locator("#rows tr").count(), 2);
  for (const phase of await page.locator("#phases li span").all()) assert.match(await phase.innerText(), /from iteration \d+/);
}

/** Every field has a name for screen readers. */
async function hasNames(page) {
  const unnamed = await page.evaluate(() =>
    [...document.querySelectorAll("input, select, button, progress, canvas, svg[role]")]
      .filter((element) => !(element.labels?.length > 0 || element.ariaLabel || element.textContent.trim()))
      .map((element) => element.id || element.outerHTML.slice(0, 60)));
  assert.deepEqual(unnamed, []);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than the window`);
}

async function pictured(running, address) {
  for (const [name, options] of [
    ["desktop", { viewport: { width: 1280, height: 1000 } }],
    ["dark", { viewport: { width: 1280, height: 1000 }, colorScheme: "dark" }],
    ["phone", { viewport: { width: 375, height: 800 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
  ]) {
    const { page, faults } = await open(running, address, options);
    assert.equal(await run(page), "done");
    await hasNames(page);
    await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
    assert.deepEqual(faults, []);
    await page.context().close();
  }
}

/** The same problem by WebGPU, in single and in mixed precision. A software adapter is slow: the first iterations must do. */
async function usesWebGpu(running, address, programs) {
  const { page, faults } = await open(running, address);
  for (const [precision, name, bound, floor] of [["f32", "f32", SINGLE, 1e-5], ["mixed", "f64", SINGLE, 1e-5]]) {
    await fill(page, { ...MADE, ...SOLVER, backend: "gpu", precision, iterations: 100 });
    assert.equal(await run(page), "done", await text(page, "fault"));
    assert.match(await text(page, "where"), /on WebGPU/);
    compare(`WebGPU, ${precision}`, table(await download(page, "trace.csv")), programs[name].trace, bound, floor);
  }
  await fill(page, { precision: "f64" });
  await run(page);
  assert.match(await text(page, "fault"), /precision f64/);
  assert.deepEqual(faults, []);
  await page.context().close();
}

const { address, close } = await serve(folder);
const plain = await browser(chromium, false);
const { page, faults, asked } = await open(plain, address);
assert.match(await text(page, "where"), /Runs use the processor/);
const programs = await equalsTheProgram(page);
await readsAndWritesFiles(page, programs.f64);
await refusesBadFiles(page);
await measuresStates(page);
await staysAlive(page);
await followsSliders(page);
assert.deepEqual(faults, []);
assert.deepEqual(asked.filter((url) => !url.startsWith(address) && !url.startsWith("blob:") && !url.startsWith("data:")), []);
await pictured(plain, address);
await plain.close();

const device = await browser(chromium, true);
await usesWebGpu(device, address, programs);
await device.close();
close();
console.log(`pictures: ${pictures}`);
