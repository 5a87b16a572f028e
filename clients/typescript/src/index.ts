// What the package exports.

export { Fanway } from "./client.js";
export type { FollowOptions, Options, Sent, SendOptions, StatusOptions } from "./client.js";
export type { Body } from "./body.js";
export { FanwayError, FanwayProblem, FanwayUnreachable } from "./errors.js";
export type { Code } from "./errors.js";
export type { Retry } from "./retry.js";
export type {
  Accepted,
  AcceptedState,
  Delivery,
  DeliveryId,
  DeliveryState,
  HeldBy,
  Message,
  MessageId,
  MessageState,
  Problem,
  ProblemCode,
} from "./types.js";
