// Events, out of text that is cut anywhere.

import assert from "node:assert/strict";
import test from "node:test";

import { EventReader } from "../dist/events.js";

function read(pieces) {
  const reader = new EventReader();
  return pieces.flatMap((piece) => [...reader.push(piece)]);
}

test("events are the same wherever their text is cut", () => {
  const text = ": hello\n\nid: 1\nevent: message\ndata: {\ndata:}\n\nretry: 5\r\n\r\nid\rdata\r\r\ndata:  x\r\n\r\nid: never";
  const expected = [
    { name: "message", id: "1", data: "{\n}" },
    { name: "message", id: "", data: "" },
    { name: "message", id: "", data: " x" },
  ];
  assert.deepEqual(read([text]), expected);
  assert.deepEqual(read([...text]), expected);
  for (let cut = 1; cut < text.length; cut += 1) {
    assert.deepEqual(read([text.slice(0, cut), text.slice(cut)]), expected);
  }
});
