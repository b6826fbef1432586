/*
 * What every database promises of lines that are lists of words (base/wordlist.ts): people find them as they see them.
 */
import { expect, test } from "bun:test";
import { listText } from "../../src/base/wordlist.ts";
import type { Selection } from "../../src/history/history.ts";
import { parseCondition } from "../../src/task/filter.ts";
import { change, collect, endedRow, noon, type OpenedHistory, query, select } from "./history.ts";

export function wordListsConformance(title: string, open: () => Promise<OpenedHistory>): void {
  test(`${title}: a line that is a list of words is compared and sorted as it is shown`, async () => {
    await using history = await open();
    const lists = [["a b", "1"], ["a", "b 2"], ["", "x"], ["a b"]].map((words) => listText(words));
    await history.add(lists.map((args) => endedRow({ args, group: 9 })));
    const find = async (where: string, selection: Partial<Selection> = {}): Promise<unknown[]> => {
      const all = ["group == 9", where].map(parseCondition);
      return (await collect(history.records.search(query(["args"], { ...selection, where: all })))).flat();
    };
    for (const [where, expected] of [
      ["args == a b 1", ["a b 1"]],
      ["args ~ ^a b", ["a b 1", "a b 2", "a b"]],
      ["args ~ ^a b$", ["a b"]],
      ["args != a b 1", ["a b 2", " x", "a b"]],
      ["args <= a b 1", ["a b 1", " x", "a b"]],
      ["args ==  x", []],
    ] as const) {
      expect([where, await find(where)]).toEqual([where, [...expected]]);
      const all = ["group == 9", where].map(parseCondition);
      expect([where, await history.records.count(select({ where: all }))]).toEqual([where, expected.length]);
    }
    expect(await find("args ~ .", { orderBy: "args" })).toEqual([" x", "a b", "a b 1", "a b 2"]);
    const meant = select({ where: [parseCondition("args == a b 2"), parseCondition("args ~ b 2$")] });
    expect((await history.records.change(meant, change({ tags: { seen: true } }), noon)).changed).toBe(1);
  });
}
