import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { freePorts } from "../../../src/cluster/ports.ts";

test("free ports are those that nobody listens on, in order", async () => {
  const [first] = await freePorts(50_001, 1);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(first, "0.0.0.0", resolve));
  try {
    const found = await freePorts(50_001, 10);
    expect(found).toHaveLength(10);
    expect(found).not.toContain(first!);
    expect(found.every((port, at) => at === 0 || port > found[at - 1]!)).toBe(true);
  } finally {
    server.close();
  }
  expect(await freePorts(65_536, 10)).toEqual([]);
});
