// Against the real gateway, over real sockets.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Fanway, FanwayProblem } from "fanway";
import { Gateway, Wire } from "./gateway.mjs";

/** Soon, so that nobody waits for tests. */
const retry = { first: 1, longest: 1 };

let gateway;

before(async () => {
  gateway = await Gateway.start();
});

after(() => gateway.stop());

test("a message is sent, followed and delivered", async () => {
  const fanway = new Fanway(gateway.url);
  const sent = await fanway.send("/orders", { id: 7 });
  assert.equal(sent.state, "pending");
  await gateway.target.heard(1);
  const states = [];
  for await (const message of fanway.follow(sent.id)) {
    states.push(message.state);
    gateway.target.answer(200);
  }
  assert.deepEqual([states[0], states.at(-1)], ["pending", "delivered"]);
  const message = await fanway.status(sent.id, { wait: 10 });
  assert.deepEqual([message.id, message.route, message.state], [sent.id, "orders", "delivered"]);
  assert.equal(message.deliveries[0].last_status, 200);
  const [request] = gateway.target.requests;
  assert.deepEqual([request.url, request.body], ["/in", '{"id":7}']);
  assert.equal(request.headers["content-type"], "application/json");
});

test("a request whose answers are lost makes one message", async (t) => {
  const wire = await Wire.to(gateway.address);
  t.after(() => wire.stop());
  wire.loseAnswers = 2;
  const fanway = new Fanway(wire.url, { retry });
  const sent = await fanway.send("/orders", { id: 8 });
  assert.equal(sent.replayed, true);
  assert.equal(wire.requests.match(/POST \/orders /g).length, 3);
  const again = await fanway.send("/orders", { id: 8 }, { idempotencyKey: sent.idempotencyKey });
  assert.equal(again.id, sent.id);
  const other = fanway.send("/orders", { id: 9 }, { idempotencyKey: sent.idempotencyKey });
  await assert.rejects(other, (error) => error.code === "idempotency_key_reused");
});

test("a stream that breaks is taken up where it broke", async (t) => {
  const wire = await Wire.to(gateway.address);
  t.after(() => wire.stop());
  const fanway = new Fanway(wire.url, { retry });
  const { id } = await fanway.send("/orders", {}, { notBefore: "1h" });
  const states = [];
  for await (const message of fanway.follow(id)) {
    states.push(message.state);
    if (message.state === "pending") {
      wire.cut();
      await new Fanway(gateway.url).cancel(id);
    }
  }
  assert.deepEqual(states, ["pending", "cancelled"]);
  const asked = wire.requests.split("GET /fanway/messages/").slice(1);
  assert.doesNotMatch(asked[0], /last-event-id/i);
  assert.match(asked[1], /last-event-id: [0-9a-f]{16}\r\n/i);
});

test("a message is called off before it is sent, and not afterwards", async () => {
  const fanway = new Fanway(gateway.url);
  const later = await fanway.send("/orders", {}, { notBefore: new Date(Date.now() + 3_600_000) });
  const cancelled = await fanway.cancel(later.id);
  assert.deepEqual([cancelled.state, cancelled.deliveries[0].state], ["cancelled", "cancelled"]);
  const delivered = await fanway.send("/orders", {});
  assert.equal((await fanway.wait(delivered.id)).state, "delivered");
  await assert.rejects(fanway.cancel(delivered.id), (error) => error.code === "message_ended");
});

test("what is wrong with a request is told with its place", async () => {
  const fanway = new Fanway(gateway.url);
  const refusal = fanway.send("/reports", '{"total":', { headers: { "content-type": "application/json" } });
  await assert.rejects(refusal, (error) => {
    assert.ok(error instanceof FanwayProblem);
    assert.deepEqual([error.status, error.code], [400, "json_malformed"]);
    assert.match(error.detail, /line 1, column 10/);
    return true;
  });
  await assert.rejects(fanway.status("msg_none"), (error) => error.code === "message_unknown");
  await assert.rejects(fanway.send("/nowhere"), (error) => error.code === "route_unknown");
});
