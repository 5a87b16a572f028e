// What is sent, made once, so that each try sends the same bytes: a key stands for those.

/**
 * What can be sent: text and bytes as they are, anything else as JSON. No streams and no `FormData`,
 * which can't be sent again byte for byte.
 */
export type Body = string | Blob | ArrayBuffer | ArrayBufferView | URLSearchParams | Json;

type Json = null | boolean | number | object;

/** What is sent, and the type that it has where the caller names none. */
export interface Encoded {
  readonly bytes: BodyInit;
  readonly type: string | undefined;
}

/** What a body is on the wire. */
export function encode(body: Body): Encoded {
  if (typeof body === "string") {
    return { bytes: body, type: "text/plain;charset=UTF-8" };
  }
  if (body instanceof Blob) {
    return { bytes: body, type: body.type || undefined };
  }
  if (body instanceof ArrayBuffer) {
    return { bytes: new Uint8Array(body.slice(0)), type: undefined };
  }
  if (ArrayBuffer.isView(body)) {
    const view = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
    return { bytes: new Uint8Array(view), type: undefined };
  }
  if (body instanceof URLSearchParams) {
    const type = "application/x-www-form-urlencoded;charset=UTF-8";
    return { bytes: body.toString(), type };
  }
  if (body instanceof FormData || body instanceof ReadableStream) {
    throw new TypeError("a FormData or a stream can't be sent again byte for byte: send a Blob");
  }
  return { bytes: json(body), type: "application/json" };
}

function json(body: Json): string {
  const text: string | undefined = JSON.stringify(body);
  if (text === undefined) {
    throw new TypeError("the body is nothing that JSON can say");
  }
  return text;
}
