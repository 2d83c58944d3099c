// What the solver says, on its way from the worker to the page.
export function report(event, pixels, columns) {
  const copy = pixels.slice();
  postMessage({ event: JSON.parse(event), pixels: copy, columns }, [copy.buffer]);
}

export function fail(sentence) {
  postMessage({ failed: sentence });
}
