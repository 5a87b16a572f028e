// A real gateway with targets whose answers a test decides, and a wire before it that can be cut.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BUILT = new URL("../../../target/debug/fanway", import.meta.url);
const BINARY = process.env.FANWAY_BINARY ?? fileURLToPath(BUILT);

/** Listens on a free port of the loopback interface; resolves with its address. */
export function listen(server) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${server.address().port}`));
  });
}

/** A target that answers when it is told to: `answer(status)` answers all requests, also those to come. */
export class Target {
  requests = [];
  #waiting = [];
  #status;
  #heard = [];

  static async start() {
    const target = new Target();
    target.server = createServer((request, response) => target.#hear(request, response));
    target.address = await listen(target.server);
    return target;
  }

  async #hear(request, response) {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const { method, url, headers } = request;
    this.requests.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
    this.#heard.splice(0).forEach((resolve) => resolve());
    if (this.#status === undefined) {
      this.#waiting.push(response);
    } else {
      response.writeHead(this.#status).end();
    }
  }

  /** Resolves when so many requests have come. */
  async heard(count) {
    while (this.requests.length < count) {
      await new Promise((resolve) => this.#heard.push(resolve));
    }
  }

  answer(status) {
    this.#status = status;
    this.#waiting.splice(0).forEach((response) => response.writeHead(status).end());
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** A gateway: `POST /orders` goes to a target, `POST /reports` reads its body as JSON. */
export class Gateway {
  static async start({ origins = [], server = "" } = {}) {
    const gateway = new Gateway();
    gateway.target = await Target.start();
    gateway.folder = await mkdtemp(path.join(tmpdir(), "fanway-client-"));
    const cors = origins.length > 0 ? `cors: { origins: ${JSON.stringify(origins)} }` : "";
    const config = `
server:
  listen: 127.0.0.1:0
  admin: 127.0.0.1:0
  threads: 1
  ${cors}
  ${server}
store: { path: ${JSON.stringify(path.join(gateway.folder, "data"))} }
targets:
  shop: { url: "http://${gateway.target.address}/in", retry: { attempts: 1 } }
routes:
  orders: { match: POST /orders, send: [shop] }
  reports: { match: POST /reports, send: [{ to: shop, body: '{total: .total}' }] }
`;
    const file = path.join(gateway.folder, "fanway.yaml");
    await writeFile(file, config);
    const stdio = ["ignore", "ignore", "pipe"];
    gateway.process = spawn(BINARY, ["serve", "--json", "-c", file], { stdio });
    gateway.address = await ready(gateway.process);
    gateway.url = `http://${gateway.address}`;
    return gateway;
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
    this.target.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Reads logs until the gateway is ready; resolves with its address. */
function ready(child) {
  return new Promise((resolve, reject) => {
    const said = [];
    child.once("error", reject);
    const lines = createInterface({ input: child.stderr });
    lines.on("line", (line) => {
      said.push(line);
      const fields = fieldsOf(line);
      if (fields?.message === "ready") {
        resolve(fields.gateway);
      }
    });
    lines.once("close", () => reject(new Error(`the gateway has ended:\n${said.join("\n")}`)));
  });
}

function fieldsOf(line) {
  try {
    return JSON.parse(line).fields;
  } catch {
    return undefined;
  }
}

/**
 * A wire to a gateway: each connection is carried there until it is cut. `requests` has all that
 * clients have sent, and `loseAnswers` cuts as many connections as answers come back on.
 */
export class Wire {
  requests = "";
  loseAnswers = 0;
  #sockets = new Set();

  static async to(address) {
    const wire = new Wire();
    const [host, port] = address.split(":");
    wire.server = net.createServer((near) => wire.#carry(near, net.connect(Number(port), host)));
    wire.address = await listen(wire.server);
    wire.url = `http://${wire.address}`;
    return wire;
  }

  #carry(near, far) {
    this.#sockets.add(near);
    const end = () => {
      this.#sockets.delete(near);
      near.destroy();
      far.destroy();
    };
    near.on("data", (bytes) => {
      this.requests += bytes;
      far.write(bytes);
    });
    far.on("data", (bytes) => {
      if (this.loseAnswers > 0) {
        this.loseAnswers -= 1;
        end();
      } else {
        near.write(bytes);
      }
    });
    for (const socket of [near, far]) {
      socket.on("error", end);
      socket.on("close", end);
    }
  }

  /** Cuts all connections that there are. */
  cut() {
    this.#sockets.forEach((socket) => socket.destroy());
  }

  stop() {
    this.server.close();
    this.cut();
  }
}
