/*
 * What every database tells of what is to be done and who is connected, for those who launch clients.
 */
import { expect, test } from "bun:test";
import { endedRow, heldRow, newRow, type OpenedHistory, uuid } from "./history.ts";

const [serverA, serverB] = [uuid(2_100_001), uuid(2_100_002)];

export function outlookConformance(title: string, open: () => Promise<OpenedHistory>): void {
  test(`records: ${title} > what is to be done is counted by group, and clients by their server`, async () => {
    await using history = await open();
    expect(await history.outlook()).toEqual({
      backlog: { group: null, inGroup: 0, unfinished: 0 },
      clients: new Map(),
    });
    await history.add([newRow({ group: 2 }), newRow({ group: 2 }), heldRow({ group: 1 }), endedRow({ group: 0 })]);
    const ends = ["null, false", "null, false", "'2027-01-10 06:00:00.000000', false", "null, true"];
    const rows = ends.map(
      (end, n) => `('${uuid(3_000_000 + n)}', 'a', '${n === 0 ? serverB : serverA}', 'b', null, ${end})`,
    );
    const columns = "id, host, server_id, server_host, connected_at, disconnected_at, evicted";
    await history.run(`insert into client (${columns}) values ${rows.join(", ")}`);
    expect(await history.outlook()).toEqual({
      backlog: { group: 1, inGroup: 1, unfinished: 3 },
      clients: new Map([
        [serverA, 1],
        [serverB, 1],
      ]),
    });
  });
}
