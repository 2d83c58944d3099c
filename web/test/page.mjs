// One page in chromium, and what a user does with it.
import { chromium } from "playwright-core";

const WEBGPU = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"];

/** A browser; without `webgpu` it has none. */
export function browser(executable, webgpu) {
  const args = ["--no-sandbox", ...(webgpu ? WEBGPU : ["--disable-features=WebGPU", "--disable-gpu"])];
  return chromium.launch({ executablePath: executable, args });
}

/** Opens the page; collects what goes wrong, and every address that is asked for. */
export async function open(running, address, options = {}) {
  const context = await running.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  const [faults, asked] = [[], []];
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  context.on("request", (request) => asked.push(request.url()));
  await page.goto(address);
  await page.waitForSelector('body[data-state="ready"]', { timeout: 60_000 });
  return { page, faults, asked };
}

/** Fills the form in. Ranges are moved as by dragging. */
export async function fill(page, values) {
  for (const [id, value] of Object.entries(values)) {
    const field = page.locator(`#${id}`);
    const kind = await field.evaluate((element) => (element.tagName === "SELECT" ? "select" : element.type));
    if (kind === "select") await field.selectOption(value);
    else if (kind === "checkbox") await field.setChecked(value);
    else await field.fill(String(value));
  }
}

/** Does what starts a run, and waits for its end: `done` or `stopped`. */
export async function ends(page, action) {
  const before = await page.evaluate(() => Number(document.body.dataset.run ?? 0));
  await action();
  const over = (run) => Number(document.body.dataset.run) > run && document.body.dataset.state !== "running";
  await page.waitForFunction(over, before, { timeout: 180_000 });
  return page.evaluate(() => document.body.dataset.state);
}

/** Presses Run and waits for the end. */
export function run(page) {
  return ends(page, () => page.locator("#run").click());
}

/** Presses a download button; the path of the file. */
export async function download(page, name) {
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: `Download ${name}` }).click(),
  ]);
  return file.path();
}
