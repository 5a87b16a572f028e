// In a real browser: a page of another origin than the gateway's.
//
// The page runs `page/page.mjs` and tells by a request to its own server what came of it, so the
// browser needs no driver. Without a browser the tests are skipped; `CHROMIUM` names another one.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Gateway, listen } from "./gateway.mjs";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };

const browser = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"].find(
  (name) => name && spawnSync(name, ["--version"]).status === 0,
);
const skip = browser === undefined && "there is no Chromium";

/** The server of the page: files of the package, and a place where the page tells its results. */
class Page {
  static async start() {
    const page = new Page();
    page.told = new Promise((resolve) => (page.tell = resolve));
    page.server = createServer((request, response) => page.#answer(request, response));
    page.origin = `http://${await listen(page.server)}`;
    return page;
  }

  async #answer(request, response) {
    if (request.method === "POST") {
      const chunks = [];
      for await (const chunk of request) {
        chunks.push(chunk);
      }
      response.writeHead(204).end();
      this.tell(JSON.parse(Buffer.concat(chunks).toString()));
      return;
    }
    const { pathname } = new URL(request.url, this.origin);
    try {
      const text = await readFile(path.join(PACKAGE, path.normalize(pathname)));
      response.writeHead(200, { "content-type": TYPES[path.extname(pathname)] }).end(text);
    } catch {
      response.writeHead(404).end();
    }
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** What the page tells when a browser opens it. */
async function results(page, gateways) {
  const profile = await mkdtemp(path.join(tmpdir(), "fanway-browser-"));
  const query = new URLSearchParams(gateways);
  const child = spawn(
    browser,
    [
      "--headless",
      // Containers and CI run as root, where the sandbox can't.
      "--no-sandbox",
      "--disable-dev-shm-usage",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--no-first-run",
      "--no-proxy-server",
      `--user-data-dir=${profile}`,
      `${page.origin}/test/page/index.html?${query}`,
    ],
    { stdio: "ignore" },
  );
  const exit = new Promise((resolve) => child.once("exit", resolve));
  const gone = exit.then((code) => {
    throw new Error(`the browser has ended with ${code}`);
  });
  try {
    return await Promise.race([page.told, gone]);
  } finally {
    gone.catch(() => {});
    child.kill("SIGKILL");
    await exit;
    // Processes of its own may still write for a moment.
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

let page;
let allowing;
let refusing;
let told;

before(async () => {
  if (skip) {
    return;
  }
  page = await Page.start();
  allowing = await Gateway.start({ origins: [page.origin] });
  refusing = await Gateway.start({ origins: ["https://shop.example"] });
  allowing.target.answer(200);
  told = await results(page, { allowing: allowing.url, refusing: refusing.url });
});

after(() => Promise.all([page, allowing, refusing].map((each) => each?.stop())));

test("the page ran to its end, in a place without the gateway's origin", { skip }, () => {
  assert.equal(told.error, undefined);
  assert.equal(told.origin, page.origin);
  assert.notEqual(page.origin, allowing.url);
});

test("a page sends and follows", { skip }, () => {
  const { sent, states, key } = told;
  assert.match(sent.id, /^msg_[0-9a-z]{26}$/);
  assert.equal(sent.state, "pending");
  assert.match(key, /^[0-9a-f-]{32,36}$/);
  assert.equal(states.at(-1), "delivered");
  const [request] = allowing.target.requests;
  assert.equal(request.body, '{"total":12}');
});

test("a page reads headers, refusals and what was called off", { skip }, () => {
  assert.equal(told.replayed, true);
  assert.deepEqual(told.refused, { name: "FanwayProblem", status: 400, code: "json_malformed" });
  assert.equal(told.cancelled, "cancelled");
});

test("a page follows by the browser's own EventSource", { skip }, () => {
  assert.equal(told.eventSource, "delivered");
});

test("the example page sends an order and tells what became of it", { skip }, () => {
  assert.match(told.example, /^Your order msg_\w{26} is delivered\.$/);
});

test("a gateway that doesn't know the page's origin gets nothing of it", { skip }, () => {
  assert.equal(told.foreign, "FanwayUnreachable");
  assert.deepEqual(refusing.target.requests, []);
});
