// What the gateway answers. Made of its OpenAPI document by `cargo xtask generate`: change that.

/** What is answered when a message is durable. */
export interface Accepted {
  /** The message. */
  readonly id: MessageId;
  /** Where it stands. */
  readonly state: AcceptedState;
  /** Where it is found, as in `Location`. */
  readonly status: string;
}

/**
 * Where an accepted message stands: `pending`, unless it was accepted before. `expired`: it
 * has ended so long ago that it is no longer kept.
 */
export type AcceptedState =
  | "pending"
  | "delivered"
  | "partial"
  | "failed"
  | "cancelled"
  | "expired";

/** One run of one step of a route for one message. */
export interface Delivery {
  /** The delivery: the `Idempotency-Key` of each of its attempts. */
  readonly id: DeliveryId;
  /** Its step. */
  readonly step: string;
  /** Its target. */
  readonly target: string;
  /** Where it stands. */
  readonly state: DeliveryState;
  /** What keeps it from being attempted; `null` where nothing does, or it has ended. */
  readonly held_by: HeldBy | null;
  /** Attempts made. */
  readonly attempts: number;
  /** The status code of the last answer; `null` without one. */
  readonly last_status: number | null;
  /** When its state was last recorded; `null` before the first attempt. */
  readonly last_at: string | null;
  /** When it is due again; `null` where it isn't. */
  readonly next_attempt_at: string | null;
  /**
   * Its step's target, where that one's fallback has the delivery: then `target` is the
   * fallback.
   */
  readonly fallback_of?: string;
}

/** A delivery's id. */
export type DeliveryId = string;

/** Where a delivery stands. `pending` and `retrying` are no ends. */
export type DeliveryState =
  | "pending"
  | "retrying"
  | "delivered"
  | "dead"
  | "skipped"
  | "cancelled";

/** What keeps a delivery from being attempted. */
export type HeldBy =
  | "limit"
  | "breaker"
  | "credentials"
  | "pause"
  | "order"
  | "schedule"
  | "target"
  | "store";

/** A message and its deliveries. */
export interface Message {
  /** The message. */
  readonly id: MessageId;
  /** The route that accepted it. */
  readonly route: string;
  /** Where it stands. */
  readonly state: MessageState;
  /** When it was accepted. */
  readonly received_at: string;
  /** When the last of its deliveries ended; `null` before. */
  readonly ended_at: string | null;
  /** Each step's latest delivery, in the order of the plan it was accepted with. */
  readonly deliveries: readonly Delivery[];
}

/** A message's id. */
export type MessageId = string;

/** Where a message stands. `pending` until all of its deliveries have ended. */
export type MessageState =
  | "pending"
  | "delivered"
  | "partial"
  | "failed"
  | "cancelled";

/** Why a request was refused (RFC 9457). */
export interface Problem {
  /** `/fanway/problems/` and the problem's code; `GET` of it gives a page. */
  readonly type: string;
  /** What it is, the same for each occurrence. */
  readonly title: string;
  /** The answer's status code. */
  readonly status: number;
  /** What is to be said of this occurrence. */
  readonly detail?: string;
}

/** The end of a problem's `type`: why a request was refused. */
export type ProblemCode =
  | "request_malformed"
  | "route_unknown"
  | "method_not_allowed"
  | "message_unknown"
  | "message_expired"
  | "message_ended"
  | "too_many_followers"
  | "websocket_malformed"
  | "wait_malformed"
  | "idempotency_key_missing"
  | "idempotency_key_malformed"
  | "idempotency_key_reused"
  | "idempotency_key_busy"
  | "terms_malformed"
  | "callback_refused"
  | "json_malformed"
  | "json_too_deep"
  | "order_key_missing"
  | "expressions_busy"
  | "body_broken"
  | "encoding_broken"
  | "body_timeout"
  | "body_too_large"
  | "decompressed_too_large"
  | "encoding_unsupported"
  | "headers_too_large"
  | "too_many_connections"
  | "memory_full"
  | "store_full"
  | "store_behind"
  | "store_unavailable"
  | "outcome_unknown";
