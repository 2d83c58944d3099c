// Runs in a worker: one at a time, ended by ending the worker.
const compiled = WebAssembly.compileStreaming(fetch("pkg/lowrank_web_bg.wasm"));

export class Solver {
  #worker = null;
  #answers = new Map();
  #count = 0;
  #said = () => {};

  #start() {
    this.#worker = new Worker("worker.js", { type: "module" });
    this.#worker.onmessage = ({ data }) => {
      const settle = this.#answers.get(data.id);
      if (settle === undefined) return this.#said(data);
      this.#answers.delete(data.id);
      return data.failed === undefined ? settle.resolve(data) : settle.reject(new Error(data.failed));
    };
    this.#worker.onerror = (event) => this.#end(new Error(event.message || "the worker did not start"));
  }

  #end(error) {
    this.#worker?.terminate();
    this.#worker = null;
    for (const { reject } of this.#answers.values()) reject(error);
    this.#answers.clear();
  }

  async #ask(question) {
    const module = await compiled;
    if (this.#worker === null) this.#start();
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      this.#worker.postMessage({ id, module, ...question });
    });
  }

  /** The words that the library offers, and whether WebAssembly can wait for a device. */
  words() {
    return this.#ask({ ask: "words" });
  }

  /** Solves a wish; `said` gets everything that is said on the way. */
  async solve(wish, files, said) {
    this.#said = said;
    await this.#ask({ ask: "solve", wish, files });
  }

  /** A factor of the last run, as the bytes of a .npy file. */
  async factor(index) {
    return (await this.#ask({ ask: "factor", index })).factor;
  }

  /** Ends a run. */
  stop() {
    this.#end(null);
  }
}
