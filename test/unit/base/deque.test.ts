import { expect, test } from "bun:test";
import fc from "fast-check";
import { deque } from "../../../src/base/deque.ts";

test("a deque behaves as an array does, whatever is done to it", () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant("push" as const), value: fc.integer() }),
    fc.record({ kind: fc.constant("unshift" as const), value: fc.integer() }),
    fc.record({ kind: fc.constant("shift" as const) }),
    fc.record({ kind: fc.constant("drain" as const) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const model: number[] = [];
      const real = deque<number>();
      for (const next of actions) {
        if (next.kind === "push") {
          model.push(next.value);
          real.push(next.value);
        } else if (next.kind === "unshift") {
          model.unshift(next.value);
          real.unshift(next.value);
        } else if (next.kind === "shift") {
          expect(real.shift()).toBe(model.shift());
        } else {
          expect(real.drain()).toEqual(model.splice(0));
        }
        expect(real.length).toBe(model.length);
      }
    }),
  );
});
