// What goes wrong: a refusal, a gateway that isn't reached, an answer that is none of its own.

import type { Problem, ProblemCode } from "./types.js";

/** The end of a problem's `type`; a later gateway may have others. */
export type Code = ProblemCode | (string & {});

const PAGES = /(?:^|\/)fanway\/problems\/([a-z0-9_]+)$/;

/** Whatever this package throws, but for a caller's own mistakes and its own abort. */
export class FanwayError extends Error {
  override name = "FanwayError";
}

/** No answer came, however often it was tried. `cause` is what failed last. */
export class FanwayUnreachable extends FanwayError {
  override name = "FanwayUnreachable";
}

/** A refusal, which trying again has not helped against. */
export class FanwayProblem extends FanwayError {
  override name = "FanwayProblem";
  /** The answer's status code. */
  readonly status: number;
  /** Why: the end of the problem's `type`; none where something before the gateway answered. */
  readonly code: Code | undefined;
  /** What is to be said of this occurrence. */
  readonly detail: string | undefined;
  /** In how many milliseconds another try is worth it, where the answer says so. */
  readonly retryAfter: number | undefined;
  /** The whole document (RFC 9457), where the answer has one. */
  readonly problem: Problem | undefined;

  private constructor(response: Response, problem: Problem | undefined) {
    const code = problem && PAGES.exec(problem.type)?.[1];
    const title = problem?.title ?? (response.statusText || "no problem document");
    const detail = problem?.detail === undefined ? "" : `: ${problem.detail}`;
    super(`${response.status} ${code ?? ""}`.trim() + `: ${title}${detail}`);
    this.status = response.status;
    this.code = code;
    this.detail = problem?.detail;
    this.retryAfter = retryAfter(response.headers.get("retry-after"));
    this.problem = problem;
  }

  /** The refusal that an answer is, whose body is `text`. */
  static of(response: Response, text: string): FanwayProblem {
    return new FanwayProblem(response, document(text));
  }
}

function document(text: string): Problem | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isProblem =
      typeof value === "object" && value !== null && "type" in value && "title" in value;
    return isProblem && typeof value.type === "string" ? (value as Problem) : undefined;
  } catch {
    return undefined;
  }
}

/** `Retry-After` in milliseconds: seconds or an HTTP date (RFC 9110, section 10.2.3). */
export function retryAfter(value: string | null, now: number = Date.now()): number | undefined {
  const text = value?.trim();
  if (!text) {
    return undefined;
  }
  if (/^\d+$/.test(text)) {
    return Number(text) * 1000;
  }
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
