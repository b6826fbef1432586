import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { addColumn, taskTable } from "../../../../src/store/sqlite/schema.ts";
import { isNullable, requiredFields } from "../../../../src/task/field.ts";

test("the table of 2.8 has the columns, types and constraints that the table of fields tells", () => {
  const db = new Database(":memory:");
  db.run(taskTable);
  const found = db.query("select name, type, \"notnull\" from pragma_table_info('task')").values();
  const typeOf = (statement: string): string => statement.split(" ").at(-1)!;
  const told = requiredFields.map((field) => [field, typeOf(addColumn(field)), isNullable(field) ? 0 : 1]);
  expect(found).toEqual(told);
  db.close();
});
