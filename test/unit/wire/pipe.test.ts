import { pipe } from "../../../src/wire/pipe.ts";
import { duplexConformance } from "../../conformance/duplex.ts";

duplexConformance("pipe", async () => {
  const [left, right] = pipe<{ n: number; text: string }, { n: number; text: string }>();
  return { left, right };
});
