// Waits that end early when their caller gives up.

/** Resolves after `milliseconds`, and rejects with the signal's reason when that fires. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abandon = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abandon);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abandon, { once: true });
  });
}

/** A signal that fires when an outer one does, or when nothing was heard for too long. */
export class Deadline {
  readonly #limit: number;
  readonly #outer: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #abandon = () => this.#controller.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limit: number, outer?: AbortSignal) {
    this.#limit = limit;
    this.#outer = outer;
    if (outer?.aborted) {
      this.#abandon();
    }
    outer?.addEventListener("abort", this.#abandon, { once: true });
    this.renew();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something was heard: the time begins anew, with another limit where one is given. */
  renew(limit: number = this.#limit): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const why = `nothing was heard for ${limit} ms`;
      this.#controller.abort(new DOMException(why, "TimeoutError"));
    }, limit);
  }

  /** Whoever listens takes their time: only the outer signal counts until it is renewed. */
  hold(): void {
    clearTimeout(this.#timer);
  }

  /** Nothing is waited for any more. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#abandon);
  }
}
