// What the client makes of answers, which are scripted: no gateway, no clock.

import assert from "node:assert/strict";
import test from "node:test";

import { Fanway, FanwayError, FanwayProblem, FanwayUnreachable } from "fanway";

const ID = "msg_01hf7yat3v0000000000000000";

const accepted = () =>
  Response.json({ id: ID, state: "pending", status: `/fanway/messages/${ID}` }, { status: 202 });

function refused(status, code, retryAfter) {
  const headers = { "content-type": "application/problem+json" };
  if (retryAfter !== undefined) {
    headers["retry-after"] = retryAfter;
  }
  const type = `/fanway/problems/${code}`;
  return new Response(JSON.stringify({ type, title: "no", status, detail: "why" }), { status, headers });
}

const broken = () => new TypeError("fetch failed");

function message(state) {
  return { id: ID, route: "orders", state, received_at: "", ended_at: null, deliveries: [] };
}

function stream(...events) {
  const text = events
    .map(([id, state]) => `event: message\nid: ${id}\ndata: ${JSON.stringify(message(state))}\n\n`)
    .join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

/** A client whose requests get these answers, one after another. */
function scripted(answers, options = {}) {
  const requests = [];
  const waits = [];
  const client = new Fanway("https://gateway.example/base/", {
    retry: { times: 3, first: 100, longest: 250, patience: 60_000 },
    fetch: async (url, init) => {
      requests.push({ url, ...init, headers: new Headers(init.headers) });
      const answer = answers.shift();
      if (answer instanceof Error) {
        throw answer;
      }
      return answer;
    },
    sleep: async (milliseconds) => {
      waits.push(milliseconds);
    },
    ...options,
  });
  return { client, requests, waits };
}

test("a request is sent with a key of its own, and its acceptance told", async () => {
  const { client, requests } = scripted([accepted(), accepted()]);
  const sent = await client.send("/orders?a=1", { total: 3 });
  await client.send("/orders");
  const [first, second] = requests;
  assert.equal(first.url, "https://gateway.example/base/orders?a=1");
  assert.equal(first.method, "POST");
  assert.equal(first.body, '{"total":3}');
  assert.equal(first.headers.get("content-type"), "application/json");
  assert.equal(first.headers.get("idempotency-key"), `"${sent.idempotencyKey}"`);
  assert.match(sent.idempotencyKey, /^[0-9a-f-]{36}$/);
  assert.equal(second.body, undefined);
  assert.notEqual(second.headers.get("idempotency-key"), first.headers.get("idempotency-key"));
  assert.deepEqual({ ...sent, idempotencyKey: "" }, {
    id: ID, state: "pending", status: `/fanway/messages/${ID}`, idempotencyKey: "", replayed: false,
  });
});

test("what is asked for besides is said in headers", async () => {
  const { client, requests } = scripted([accepted()], { headers: { "x-all": "1", "x-some": "1" } });
  await client.send("/orders", "<order/>", {
    method: "PUT",
    idempotencyKey: 'a "b" \\',
    headers: { "content-type": "text/xml", "x-some": "2" },
    notBefore: new Date("2027-01-01T00:00:00Z"),
    expires: "7d",
    callback: new URL("https://shop.example/told"),
  });
  const { headers, method, body } = requests[0];
  assert.deepEqual([method, body], ["PUT", "<order/>"]);
  assert.deepEqual(Object.fromEntries(headers), {
    "content-type": "text/xml",
    "fanway-callback": "https://shop.example/told",
    "fanway-expires": "7d",
    "fanway-not-before": "2027-01-01T00:00:00.000Z",
    "idempotency-key": '"a \\"b\\" \\\\"',
    "x-all": "1",
    "x-some": "2",
  });
});

test("bodies keep their bytes and have the type that they are of", async () => {
  const bytes = new Uint8Array([1, 2, 3, 4]);
  for (const [body, type, text] of [
    ["text", "text/plain;charset=UTF-8", "text"],
    [["a", 1, null], "application/json", '["a",1,null]'],
    [new URLSearchParams({ a: "1 2" }), "application/x-www-form-urlencoded;charset=UTF-8", "a=1+2"],
    [new Blob(["x"], { type: "image/png" }), "image/png", "x"],
    [bytes.buffer, null, "\x01\x02\x03\x04"],
    [bytes.subarray(1, 3), null, "\x02\x03"],
  ]) {
    const { client, requests } = scripted([accepted()]);
    await client.send("/orders", body);
    assert.equal(requests[0].headers.get("content-type"), type);
    assert.equal(await new Response(requests[0].body).text(), text);
  }
});

test("what no try could send is a mistake of its caller's", async () => {
  const { client, requests } = scripted([]);
  await assert.rejects(client.send("orders", {}), TypeError);
  await assert.rejects(client.send("/orders", {}, { method: "get" }), TypeError);
  await assert.rejects(client.send("/orders", new FormData()), TypeError);
  await assert.rejects(client.send("/orders", () => {}), TypeError);
  assert.deepEqual(requests, []);
});

test("a refusal that may pass is tried again as it says, with the same key and bytes", async () => {
  const { client, requests, waits } = scripted([
    refused(503, "store_full", "5"),
    refused(429, "rate", new Date(Date.now() + 30_000).toUTCString()),
    refused(409, "idempotency_key_busy", "1"),
    accepted(),
  ]);
  await client.send("/orders", { total: 3 });
  const keys = new Set(requests.map((request) => request.headers.get("idempotency-key")));
  const bodies = new Set(requests.map((request) => request.body));
  assert.deepEqual([requests.length, keys.size, bodies.size], [4, 1, 1]);
  const [first, second, third] = waits;
  assert.ok(first >= 5000 && first <= 5100, `${first}`);
  assert.ok(second > 25_000 && second <= 30_100, `${second}`);
  assert.ok(third >= 1000 && third <= 1100, `${third}`);
});

test("without a word of when, waits grow up to a bound", async () => {
  const { client, waits } = scripted([broken(), new Response("", { status: 502 }), broken(), accepted()]);
  await client.send("/orders");
  const bounds = [100, 200, 250];
  assert.equal(waits.length, 3);
  waits.forEach((wait, index) => assert.ok(wait >= 0 && wait <= bounds[index], `${waits}`));
});

test("tries end, and the last failure is told", async () => {
  const busy = Array.from({ length: 4 }, () => refused(503, "store_behind", "1"));
  const { client, requests } = scripted(busy);
  await assert.rejects(client.send("/orders"), (error) => {
    assert.ok(error instanceof FanwayProblem && error instanceof FanwayError);
    assert.deepEqual([error.status, error.code, error.detail], [503, "store_behind", "why"]);
    assert.equal(error.retryAfter, 1000);
    assert.equal(error.message, "503 store_behind: no: why");
    return true;
  });
  assert.equal(requests.length, 4);

  const unreachable = scripted([broken(), broken(), broken(), broken()]);
  await assert.rejects(unreachable.client.send("/orders"), (error) => {
    assert.ok(error instanceof FanwayUnreachable);
    assert.equal(error.cause.message, "fetch failed");
    return true;
  });
});

test("a refusal that won't pass, or asks for too much patience, is told at once", async () => {
  for (const answer of [
    refused(400, "json_malformed"),
    refused(422, "idempotency_key_reused"),
    refused(409, "message_ended"),
    refused(503, "store_full", "61"),
  ]) {
    const { client, requests } = scripted([answer]);
    await assert.rejects(client.send("/orders"), FanwayProblem);
    assert.equal(requests.length, 1);
  }
});

test("an answer that isn't the gateway's is told as what it is", async () => {
  const html = () => new Response("<h1>Forbidden</h1>", { status: 403, statusText: "Forbidden" });
  await assert.rejects(scripted([html()]).client.send("/orders"), (error) => {
    assert.deepEqual([error.status, error.code, error.problem], [403, undefined, undefined]);
    return error instanceof FanwayProblem;
  });
  const strange = scripted([Response.json("hello")]);
  await assert.rejects(strange.client.send("/orders"), FanwayError);
});

test("a message is asked for and called off by its id", async () => {
  const { client, requests } = scripted([message("pending"), message("cancelled")].map((m) => Response.json(m)));
  assert.equal((await client.status(ID, { wait: 1.5 })).state, "pending");
  assert.equal((await client.cancel(ID)).state, "cancelled");
  const asked = requests.map(({ method, url }) => `${method} ${url.slice(28)}`);
  assert.deepEqual(asked, [
    `GET /fanway/messages/${ID}?wait=1500ms`,
    `DELETE /fanway/messages/${ID}`,
  ]);
});

test("a message is followed to its end, over breaks", async () => {
  const { client, requests, waits } = scripted([
    refused(503, "too_many_followers", "5"),
    stream(["a", "pending"]),
    broken(),
    stream(["b", "pending"], ["c", "delivered"]),
  ]);
  const states = [];
  for await (const { state } of client.follow(ID)) {
    states.push(state);
  }
  assert.deepEqual(states, ["pending", "pending", "delivered"]);
  const last = requests.map((request) => request.headers.get("last-event-id"));
  assert.deepEqual(last, [null, null, "a", "a"]);
  assert.equal(waits.length, 3);
});

test("following ends where it fails again and again, and not where it only breaks", async () => {
  const breaking = Array.from({ length: 9 }, (_, index) => stream([`${index}`, "pending"]));
  const { client } = scripted([...breaking, refused(410, "message_expired")]);
  let seen = 0;
  await assert.rejects(async () => {
    for await (const _ of client.follow(ID)) {
      seen += 1;
    }
  }, FanwayProblem);
  assert.equal(seen, 9);

  const silent = scripted(Array.from({ length: 4 }, () => stream()));
  await assert.rejects(silent.client.wait(ID), FanwayUnreachable);
});

test("who comes again for a message that has ended meanwhile is done", async () => {
  const { client } = scripted([
    stream(["a", "pending"]),
    new Response(null, { status: 204 }),
    Response.json(message("failed")),
  ]);
  assert.equal((await client.wait(ID)).state, "failed");
});

test("a caller can give up at any time", async () => {
  const reason = new Error("enough");
  const gone = AbortSignal.abort(reason);
  const { client } = scripted([broken(), broken()]);
  await assert.rejects(client.send("/orders", {}, { signal: gone }), reason);

  const leaving = new AbortController();
  const waiting = scripted([refused(503, "store_full", "5")], {
    sleep: async (_, signal) => {
      leaving.abort(reason);
      signal.throwIfAborted();
    },
  });
  await assert.rejects(waiting.client.send("/orders", {}, { signal: leaving.signal }), reason);
});
