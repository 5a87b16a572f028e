// What the page does: all of it is judged by browser.test.mjs, where it is told.

import { Fanway } from "fanway";

const gateways = new URLSearchParams(location.search);

async function all() {
  const fanway = new Fanway(gateways.get("allowing"));
  const sent = await fanway.send("/orders", { total: 12 });
  const states = [];
  for await (const message of fanway.follow(sent.id)) {
    states.push(message.state);
  }
  const options = { idempotencyKey: sent.idempotencyKey };
  const again = await fanway.send("/orders", { total: 12 }, options);
  const json = { headers: { "content-type": "application/json" } };
  const refused = await failure(fanway.send("/reports", "{", json));
  const later = await fanway.send("/orders", {}, { notBefore: "1h" });
  const foreign = new Fanway(gateways.get("refusing"), { retry: { times: 0 } });
  return {
    sent,
    states,
    key: sent.idempotencyKey,
    replayed: again.replayed,
    refused: { name: refused.name, status: refused.status, code: refused.code },
    cancelled: (await fanway.cancel(later.id)).state,
    eventSource: await followed(`${gateways.get("allowing")}${sent.status}/events`),
    example: await example(gateways.get("allowing")),
    foreign: (await failure(foreign.send("/orders", {}))).name,
  };
}

function failure(promise) {
  return promise.then(
    () => ({ name: "none" }),
    (error) => error,
  );
}

/** The first state that the browser's own client is told. */
function followed(url) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(url);
    source.addEventListener("message", (event) => {
      source.close();
      resolve(JSON.parse(event.data).state);
    });
    source.addEventListener("error", () => reject(new Error("the stream failed")));
  });
}

/** What the example page says when its form was sent. */
async function example(gateway) {
  const frame = document.createElement("iframe");
  frame.src = `/examples/page.html?${new URLSearchParams({ gateway })}`;
  const isLoaded = new Promise((resolve) => frame.addEventListener("load", resolve));
  document.body.append(frame);
  await isLoaded;
  const output = frame.contentDocument.querySelector("output");
  const said = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (!output.value.includes("pending")) {
        resolve(output.value);
      }
    });
    observer.observe(output, { childList: true, characterData: true, subtree: true });
  });
  frame.contentDocument.querySelector("form").requestSubmit();
  return said;
}

const told = await all().catch((error) => ({ error: String(error) }));
await fetch("/told", { method: "POST", body: JSON.stringify({ origin: location.origin, ...told }) });
