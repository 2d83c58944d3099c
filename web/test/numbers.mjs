// Arrays and tables of numbers, and how far two of them are apart.
import { readFileSync } from "node:fs";

/** A .npy file of float64 in C order. */
export function npy(path) {
  const bytes = readFileSync(path);
  const length = bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, 10 + length);
  const type = /'descr': '(.*?)'/.exec(header)[1];
  if (type !== "<f8" && type !== "<f4") throw new Error(`${path} holds ${type}`);
  const shape = /'shape': \((.*?)\)/.exec(header)[1].split(",").filter((text) => text.trim() !== "").map(Number);
  const data = bytes.subarray(10 + length);
  const [size, read] = type === "<f8" ? [8, "readDoubleLE"] : [4, "readFloatLE"];
  return { shape, values: Array.from({ length: data.length / size }, (_, i) => data[read](i * size)) };
}

/** The rows of a table as objects. */
export function table(path) {
  const [head, ...lines] = readFileSync(path, "utf8").trim().split("\n");
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((text, i) => [names[i], text === "" ? null : Number(text)])));
}

/** U Uᵀ. */
export function square({ shape, values }) {
  const [k, n] = [shape.at(-1), shape.at(-2)];
  return Array.from({ length: n * n }, (_, at) => {
    let sum = 0;
    for (let j = 0; j < k; j += 1) sum += values[Math.floor(at / n) * k + j] * values[(at % n) * k + j];
    return sum;
  });
}

const norm = (values) => Math.hypot(...values);

/** ‖a − b‖/‖b‖. */
export function apart(a, b) {
  return a.length === b.length ? norm(a.map((value, i) => value - b[i])) / norm(b) : Infinity;
}
