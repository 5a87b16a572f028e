// Sends an order and follows it: node examples/send.mjs http://127.0.0.1:8080

import { Fanway, FanwayProblem } from "fanway";

const fanway = new Fanway(process.argv[2] ?? "http://127.0.0.1:8080");

try {
  const sent = await fanway.send("/orders", { id: 7, items: [{ sku: "lamp-desk", quantity: 1 }] });
  console.log(`${sent.id} is accepted`);
  for await (const message of fanway.follow(sent.id)) {
    const steps = message.deliveries.map(({ step, state }) => `${step} ${state}`);
    console.log(`${message.state}: ${steps.join(", ")}`);
  }
} catch (error) {
  if (!(error instanceof FanwayProblem)) {
    throw error;
  }
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
