// The examples, as somebody runs them.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Gateway } from "./gateway.mjs";

test("the script sends an order and follows it", async (t) => {
  const gateway = await Gateway.start();
  t.after(() => gateway.stop());
  gateway.target.answer(200);
  const script = fileURLToPath(new URL("../examples/send.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, gateway.url]);
  assert.match(stdout, /^msg_\w{26} is accepted\n(pending: shop \w+\n)*delivered: shop delivered\n$/);
});
