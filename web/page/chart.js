// Curves over iterations on a logarithmic axis, and matrices as pictures.
const NS = "http://www.w3.org/2000/svg";
const LEFT = 44, RIGHT = 10, TOP = 8, BOTTOM = 24;
// A curve that falls below this share of the largest value leaves the picture: rounding errors of zero say nothing.
const FLOOR = 1e-17;

function element(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A number for people: 0.0123, 3.4e-7. */
export function readable(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0 || (Math.abs(value) >= 0.01 && Math.abs(value) < 1e4)) return String(Number(value.toPrecision(3)));
  return value.toExponential(1);
}

/** Decades that hold all values, as powers of ten. */
function decades(series) {
  const values = series.flatMap(({ points }) => points.map(([, y]) => y)).filter((y) => y > 0 && Number.isFinite(y));
  if (values.length === 0) return [-6, 0];
  const top = values.reduce((a, b) => Math.max(a, b));
  const bottom = Math.max(values.reduce((a, b) => Math.min(a, b)), top * FLOOR);
  const [low, high] = [Math.floor(Math.log10(bottom)), Math.ceil(Math.log10(top))];
  return low === high ? [low - 1, high] : [low, high];
}

function step(range, most) {
  return [1, 2, 3, 5, 10, 20].find((step) => range / step <= most) ?? 50;
}

function ticks(last) {
  const rough = Math.max(last, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = Math.max(1, [1, 2, 5, 10].find((factor) => factor * power >= rough) * power);
  return Array.from({ length: Math.floor(last / size + 1e-9) + 1 }, (_, i) => i * size);
}

/**
 * Draws curves. `series`: points [iteration, value], a class, and a name for the description; `phases`: begin, end and
 * number of coloured stretches.
 */
export function draw(box, title, series, phases, last) {
  const [width, height] = [Math.max(box.clientWidth, 200), Math.max(box.clientHeight, 140)];
  const [low, high] = decades(series);
  const x = (iteration) => LEFT + (iteration / Math.max(last, 1)) * (width - LEFT - RIGHT);
  const y = (value) => TOP + ((high - Math.log10(value)) / (high - low)) * (height - TOP - BOTTOM);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": described(title, series) });
  for (const { begin, end, number } of phases) {
    svg.append(element("rect", { class: `phase-${number}`, x: x(begin), y: TOP, width: Math.max(x(end) - x(begin), 0), height: height - TOP - BOTTOM }));
  }
  const jump = step(high - low, 6);
  for (let power = Math.ceil(low / jump) * jump; power <= high; power += jump) {
    const at = y(10 ** power);
    svg.append(element("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
    const label = power > -3 && power < 4 ? String(Number((10 ** power).toPrecision(1))) : `1e${power}`;
    svg.append(element("text", { x: LEFT - 5, y: at + 4, "text-anchor": "end" }, label));
  }
  for (const iteration of ticks(last)) {
    const anchor = iteration === 0 ? "start" : x(iteration) > width - 30 ? "end" : "middle";
    svg.append(element("text", { x: x(iteration), y: height - 7, "text-anchor": anchor }, iteration));
  }
  for (const { points, kind } of series) {
    const shown = points.filter(([, value]) => value >= 10 ** low);
    const path = shown.map(([iteration, value], i) => `${i === 0 ? "M" : "L"}${x(iteration).toFixed(1)},${y(value).toFixed(1)}`);
    if (path.length > 0) svg.append(element("path", { class: `curve ${kind}`, d: path.join("") }));
  }
  box.replaceChildren(svg);
}

function described(title, series) {
  const ends = series.filter(({ name, points }) => name && points.length > 0).map(({ name, points }) => {
    const [iteration, value] = points[points.length - 1];
    return `${name} ${readable(value)} at iteration ${iteration}`;
  });
  return ends.length > 0 ? `${title}: ${ends.join(", ")}` : `${title}: no values yet`;
}

/** Fills the key of a chart. */
export function key(list, entries) {
  list.replaceChildren(...entries.map(({ kind, name }) => {
    const item = document.createElement("li");
    const svg = element("svg", { width: 22, height: 8, "aria-hidden": "true" });
    svg.append(element("line", { class: `curve ${kind}`, x1: 0, x2: 22, y1: 4, y2: 4 }));
    item.append(svg, name);
    return item;
  }));
}

const COLD = [33, 102, 172], HOT = [178, 60, 20];

function colour(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
  const full = text.length === 3 ? [...text].map((digit) => digit + digit).join("") : text;
  return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16));
}

/** Paints a matrix: negative entries cold, positive ones hot; `strong` ones have the full colour. */
export function paint(canvas, pixels, columns, strong) {
  const rows = columns > 0 ? pixels.length / columns : 0;
  if (rows === 0) return;
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const zero = colour("--surface");
  pixels.forEach((value, at) => {
    const share = Math.min(Math.abs(value) / (strong || 1), 1);
    const full = value < 0 ? COLD : HOT;
    for (let c = 0; c < 3; c += 1) image.data[4 * at + c] = zero[c] + share * (full[c] - zero[c]);
    image.data[4 * at + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

/** Twice the root mean square: few entries are larger. */
export function strong(pixels) {
  return 2 * Math.sqrt(pixels.reduce((sum, value) => sum + value * value, 0) / Math.max(pixels.length, 1));
}
