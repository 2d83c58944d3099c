// Lets WebAssembly wait: the suspended call goes on in a later task of the event loop, so that promises are kept before.
export const canSuspend = typeof WebAssembly.Suspending === "function" && typeof WebAssembly.promising === "function";

const { port1, port2 } = new MessageChannel();
let goOn = () => {};
port1.onmessage = () => goOn();

function later() {
  return new Promise((resolve) => {
    goOn = resolve;
    port2.postMessage(0);
  });
}

function refuse() {
  throw new Error("this browser cannot suspend WebAssembly");
}

export const turn = canSuspend ? new WebAssembly.Suspending(later) : refuse;
