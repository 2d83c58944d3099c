// Solves in a thread of its own, so that the page stays alive. It is ended and started anew to stop a run.
import init, { add_file, factor, prepare, solve, words } from "./pkg/lowrank_web.js";
import { canSuspend } from "./turn.js";

let program;

async function answer({ ask, module, wish, files, index }) {
  program ??= await init({ module_or_path: module });
  if (ask === "words") {
    return { words: JSON.parse(words()), canSuspend };
  }
  if (ask === "factor") {
    return { factor: factor(index) };
  }
  // Only a device has to be waited for; without one the call is a plain one.
  const suspends = canSuspend && wish.backend !== "cpu" && "gpu" in navigator;
  prepare(JSON.stringify(wish), suspends);
  files.forEach(({ name, bytes }) => add_file(name, new Uint8Array(bytes)));
  await (suspends ? WebAssembly.promising(program.solve)() : solve());
  return { ended: true };
}

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, ...(await answer(data)) });
  } catch (error) {
    postMessage({ id: data.id, failed: `the program stopped: ${error.message}` });
  }
};
