// The client: sends requests so that each becomes one message, and tells what becomes of it.

import { encode, type Body, type Encoded } from "./body.js";
import { FanwayError, FanwayProblem, FanwayUnreachable } from "./errors.js";
import { EventReader, type ServerEvent } from "./events.js";
import { pause, USUAL, type Retry } from "./retry.js";
import type { Accepted, Message, MessageId } from "./types.js";
import { Deadline, sleep } from "./waiting.js";

/** How long a stream may be silent, in milliseconds: the gateway says something every 15 s. */
const SILENCE = 45_000;

/** How a client behaves. Times are milliseconds. */
export interface Options {
  /** Headers of each request. */
  readonly headers?: HeadersInit;
  /** How often a request is tried again, and with what waits. */
  readonly retry?: Partial<Retry>;
  /** How long one try may take. 30,000. */
  readonly timeout?: number;
  /** What sends requests, instead of the platform's own `fetch`. */
  readonly fetch?: typeof fetch;
  /** What waits between tries, instead of a timer. For tests. */
  readonly sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

/** What is asked for besides delivery. */
export interface SendOptions {
  /** `POST` where nothing is said. */
  readonly method?: string;
  /** With the same key the same request makes one message. A new one where nothing is said. */
  readonly idempotencyKey?: string;
  readonly headers?: HeadersInit;
  /** No attempt is made before: a time, or a duration from acceptance such as `"10m"`. */
  readonly notBefore?: Date | string;
  /** What hasn't been delivered by then is dead: a time or a duration. */
  readonly expires?: Date | string;
  /** A URL that is told when the message has ended. */
  readonly callback?: string | URL;
  readonly signal?: AbortSignal;
}

/** How a message is asked for. */
export interface StatusOptions {
  /** Seconds for which the gateway waits for the message's end before it answers; 60 at most. */
  readonly wait?: number;
  readonly signal?: AbortSignal;
}

export interface FollowOptions {
  readonly signal?: AbortSignal;
}

/** An accepted request. */
export interface Sent extends Accepted {
  /** The key that it was sent with. */
  readonly idempotencyKey: string;
  /** Whether it was accepted before, with the same key. */
  readonly replayed: boolean;
}

/** A request, as each try sends it. */
interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body?: Encoded["bytes"];
  /** How long one try may take, in milliseconds. */
  readonly limit: number;
}

/** An answer that is no refusal. */
interface Answer {
  readonly response: Response;
  readonly text: string;
}

/** A gateway, as its senders see it. */
export class Fanway {
  readonly #base: string;
  readonly #headers: Headers;
  readonly #retry: Retry;
  readonly #timeout: number;
  readonly #fetch: typeof fetch;
  readonly #sleep: typeof sleep;

  /** `baseUrl` is where the gateway's paths begin, such as `https://gateway.example`. */
  constructor(baseUrl: string | URL, options: Options = {}) {
    this.#base = String(new URL(baseUrl)).replace(/\/+$/, "");
    this.#headers = new Headers(options.headers);
    this.#retry = { ...USUAL, ...options.retry };
    this.#timeout = options.timeout ?? 30_000;
    // A browser's own wants to be called as a function of the window.
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#sleep = options.sleep ?? sleep;
  }

  /**
   * Sends a request to a route, and resolves when it is durable: then it will be delivered.
   *
   * @param path the route's path, and perhaps a query
   * @throws {FanwayProblem} where it is refused
   * @throws {FanwayUnreachable} where no answer comes: it may have been accepted; to send it again
   *   with the same `idempotencyKey` is safe
   */
  async send(path: string, body?: Body, options: SendOptions = {}): Promise<Sent> {
    const method = options.method ?? "POST";
    check(method, path, body);
    const key = options.idempotencyKey ?? newKey();
    const encoded = body === undefined ? undefined : encode(body);
    const outgoing: Outgoing = {
      method,
      path,
      headers: this.#headersOf(options, key, encoded),
      limit: this.#timeout,
      ...(encoded && { body: encoded.bytes }),
    };
    const { response, text } = await this.#exchange(outgoing, options.signal);
    const accepted = read<Accepted>(response, text);
    const replayed = response.headers.get("idempotent-replayed") === "true";
    return { ...accepted, idempotencyKey: key, replayed };
  }

  /** How a message stands. */
  async status(id: MessageId, options: StatusOptions = {}): Promise<Message> {
    const wait = Math.max(0, options.wait ?? 0);
    const query = wait > 0 ? `?wait=${Math.round(wait * 1000)}ms` : "";
    const limit = this.#timeout + Math.min(wait, 60) * 1000;
    const outgoing = { ...this.#plain("GET", messagePath(id) + query), limit };
    const { response, text } = await this.#exchange(outgoing, options.signal);
    return read<Message>(response, text);
  }

  /**
   * A message's states as they come, from how it stands now to its end. A stream that breaks is
   * taken up again where it broke.
   */
  async *follow(
    id: MessageId,
    options: FollowOptions = {},
  ): AsyncGenerator<Message, void, undefined> {
    const { signal } = options;
    let last: string | undefined;
    let failed = 0;
    for (;;) {
      const outgoing = this.#plain("GET", `${messagePath(id)}/events`);
      outgoing.headers.set("accept", "text/event-stream");
      if (last !== undefined) {
        outgoing.headers.set("last-event-id", last);
      }
      const deadline = new Deadline(this.#timeout, signal);
      let failure: unknown;
      try {
        const response = await this.#attempt(outgoing, deadline.signal);
        if (response.status === 204) {
          return;
        }
        deadline.renew(SILENCE);
        for await (const piece of pieces(response)) {
          deadline.renew(SILENCE);
          failed = 0;
          for (const event of piece) {
            const message = JSON.parse(event.data) as Message;
            last = event.id;
            deadline.hold();
            yield message;
            deadline.renew(SILENCE);
            if (message.state !== "pending") {
              return;
            }
          }
        }
        failure = new Error("the stream has ended before the message");
      } catch (error) {
        signal?.throwIfAborted();
        failure = error;
      } finally {
        deadline.clear();
      }
      failed += 1;
      await this.#pause(failed, failure, signal);
    }
  }

  /** Waits until a message has ended, and tells how. */
  async wait(id: MessageId, options: FollowOptions = {}): Promise<Message> {
    let last: Message | undefined;
    for await (const message of this.follow(id, options)) {
      last = message;
    }
    return last !== undefined && last.state !== "pending" ? last : this.status(id, options);
  }

  /**
   * Calls a message off, and tells how it stands: attempts that are in flight decide for their
   * deliveries.
   *
   * @throws {FanwayProblem} with the code `message_ended` where there was nothing to call off
   */
  async cancel(id: MessageId, options: FollowOptions = {}): Promise<Message> {
    const outgoing = this.#plain("DELETE", messagePath(id));
    const { response, text } = await this.#exchange(outgoing, options.signal);
    return read<Message>(response, text);
  }

  /** A request without a body. */
  #plain(method: string, path: string): Outgoing {
    return { method, path, headers: new Headers(this.#headers), limit: this.#timeout };
  }

  #headersOf(options: SendOptions, key: string, encoded: Encoded | undefined): Headers {
    const headers = new Headers(this.#headers);
    new Headers(options.headers).forEach((value, name) => headers.set(name, value));
    headers.set("idempotency-key", `"${key.replace(/["\\]/g, "\\$&")}"`);
    if (encoded?.type !== undefined && !headers.has("content-type")) {
      headers.set("content-type", encoded.type);
    }
    const { notBefore, expires, callback } = options;
    for (const [name, value] of Object.entries({ "not-before": notBefore, expires, callback })) {
      if (value !== undefined) {
        const text = value instanceof Date ? value.toISOString() : String(value);
        headers.set(`fanway-${name}`, text);
      }
    }
    return headers;
  }

  /** Tries until there is an answer that another try would not better. */
  async #exchange(outgoing: Outgoing, signal: AbortSignal | undefined): Promise<Answer> {
    for (let tried = 1; ; tried += 1) {
      const deadline = new Deadline(outgoing.limit, signal);
      let failure: unknown;
      try {
        const response = await this.#attempt(outgoing, deadline.signal);
        return { response, text: await response.text() };
      } catch (error) {
        signal?.throwIfAborted();
        failure = error;
      } finally {
        deadline.clear();
      }
      await this.#pause(tried, failure, signal);
    }
  }

  /** One try; rejects where there is no answer, and where it is a refusal. */
  async #attempt(outgoing: Outgoing, signal: AbortSignal): Promise<Response> {
    const { method, path, headers, body } = outgoing;
    const init: RequestInit = { method, headers, signal, cache: "no-store", credentials: "omit" };
    const response = await this.#fetch(this.#base + path, body === undefined ? init : { ...init, body });
    if (!response.ok) {
      throw FanwayProblem.of(response, await response.text());
    }
    return response;
  }

  /** Waits before another try, the `tried` first ones having failed; throws where it isn't worth one. */
  async #pause(tried: number, failure: unknown, signal: AbortSignal | undefined): Promise<void> {
    const wait = pause(this.#retry, tried, failure);
    if (wait !== undefined) {
      return this.#sleep(wait, signal);
    }
    if (failure instanceof FanwayError) {
      throw failure;
    }
    const why = failure instanceof Error ? failure.message : String(failure);
    throw new FanwayUnreachable(`no answer from ${this.#base}: ${why}`, { cause: failure });
  }
}

/** What no try could send. */
function check(method: string, path: string, body: Body | undefined): void {
  if (!path.startsWith("/")) {
    throw new TypeError(`a path begins with a slash: ${path}`);
  }
  if (body !== undefined && /^(GET|HEAD)$/i.test(method)) {
    throw new TypeError(`${method} has no body`);
  }
}

function messagePath(id: MessageId): string {
  return `/fanway/messages/${encodeURIComponent(id)}`;
}

/** A key that nobody else has: 122 random bits. */
function newKey(): string {
  if (typeof crypto.randomUUID === "function") {
    return crypto.randomUUID();
  }
  // A page that didn't come over TLS has no `randomUUID`.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The document that an answer is. */
function read<T extends { readonly id: string }>(response: Response, text: string): T {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    document = undefined;
  }
  const isOurs = typeof document === "object" && document !== null && "id" in document;
  if (!isOurs) {
    const status = response.status;
    throw new FanwayError(`the answer with status ${status} is none of a Fanway gateway`);
  }
  return document as T;
}

/** The events in each piece of a stream, as the pieces come. */
async function* pieces(
  response: Response,
): AsyncGenerator<Iterable<ServerEvent>, void, undefined> {
  const reader = response.body?.getReader();
  if (!reader) {
    return;
  }
  const decoder = new TextDecoder();
  const events = new EventReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield events.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Who has broken the stream off, or has had enough, has no use for what is left.
    await reader.cancel().catch(() => {});
  }
}
