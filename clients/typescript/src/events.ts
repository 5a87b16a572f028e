// Server-sent events out of a stream of text (WHATWG HTML, 9.2.6).

/** An event. */
export interface ServerEvent {
  readonly name: string;
  /** The id that the stream has come to with it. */
  readonly id: string | undefined;
  readonly data: string;
}

/** Takes a stream's text piece by piece, however it is cut, and gives the events in it. */
export class EventReader {
  #rest = "";
  #name = "";
  #id: string | undefined;
  #data: string[] = [];

  /** The events that are whole with this piece. */
  *push(piece: string): Generator<ServerEvent, void, undefined> {
    this.#rest += piece;
    for (let line = this.#line(); line !== undefined; line = this.#line()) {
      if (line === "") {
        yield* this.#dispatch();
      } else {
        this.#field(line);
      }
    }
  }

  /** The next whole line, without its end. */
  #line(): string | undefined {
    const end = this.#rest.search(/[\r\n]/);
    // A line feed may follow in the next piece.
    const isUnsure = this.#rest[end] === "\r" && end === this.#rest.length - 1;
    if (end < 0 || isUnsure) {
      return undefined;
    }
    const line = this.#rest.slice(0, end);
    const length = this.#rest.startsWith("\r\n", end) ? 2 : 1;
    this.#rest = this.#rest.slice(end + length);
    return line;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") {
      this.#name = value;
    } else if (name === "data") {
      this.#data.push(value);
    } else if (name === "id" && !value.includes("\0")) {
      this.#id = value;
    }
  }

  *#dispatch(): Generator<ServerEvent, void, undefined> {
    const event = { name: this.#name || "message", id: this.#id, data: this.#data.join("\n") };
    const isThere = this.#data.length > 0;
    this.#name = "";
    this.#data = [];
    if (isThere) {
      yield event;
    }
  }
}
