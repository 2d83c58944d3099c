// Lets WebAssembly wait: the suspended call goes on in a later task of the event loop, so that promises are kept before.
export const canSuspend = typeof WebAssembly.Suspending === "function" && typeof WebAssembly.promising === "function";

const { port1, port2 } = new MessageChannel();
let goOn = () => {};
port1.onmessage = () => goOn();

// Most answers come soon. Later ones are asked for now and then, so that waiting takes no core from the device.
const SOON = 50, PAUSE = 2;

function later(taken) {
  return new Promise((resolve) => {
    if (taken > SOON) {
      setTimeout(resolve, PAUSE);
      return;
    }
    goOn = resolve;
    port2.postMessage(0);
  });
}

function refuse() {
  throw new Error("this browser cannot suspend WebAssembly");
}

export const turn = canSuspend ? new WebAssembly.Suspending(later) : refuse;
