/*
 * What the catalog of PostgreSQL says of our tables: columns, indices, partitions. One question asks for all of it,
 * since each takes a millisecond. Changes nothing.
 */
import { laterFields, requiredFields, type TaskField } from "../../task/field.ts";
import type { Bind } from "./bind.ts";
import type { Query, Row } from "./connection.ts";

/** The tables `task`, `task_1`, `task_2`, ... in the schema where statements look first. */
export interface Catalog {
  /** Columns of `task`; null: there is no such table. */
  readonly columns: ReadonlySet<string> | null;
  /** For each table the columns that it lacks, because it is older than they are. */
  readonly absent: ReadonlyMap<string, ReadonlySet<TaskField>>;
  /** Tables like `task` that hold archived tasks, in the order of their numbers; see history/postgres/rotation.ts. */
  readonly partitions: readonly string[];
  /** The indices of each table. */
  readonly indices: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether triggers count the tasks, see schema.ts. */
  readonly tallied: boolean;
}

const schemaId = "(select oid from pg_namespace where nspname = current_schema())";
const isPartition = "relkind = 'r' and relname ~ '^task_[1-9][0-9]{0,8}$'";

/** The question that `catalogOf` needs answered. Asking information_schema instead would take 5 ms. */
export const catalogQuestion = `select relname,
    (select json_agg(attname) from pg_attribute where attrelid = held.oid and attnum > 0 and not attisdropped),
    (select json_agg(each.relname) from pg_index join pg_class as each on indexrelid = each.oid
      where indrelid = held.oid),
    (select json_agg(tgname) from pg_trigger where tgrelid = held.oid and tgenabled = 'O')
  from pg_class as held where relnamespace = ${schemaId} and (relname = 'task' and relkind <> 'i' or ${isPartition})`;

/** Reads the answer to `catalogQuestion`. */
export function catalogOf(answer: readonly Row[]): Catalog {
  const found = answer.map(([name, columns, indices, triggers]) => ({
    name: String(name),
    columns: names(columns),
    indices: names(indices),
    triggers: names(triggers),
  }));
  const main = found.find(({ name }) => name === "task");
  const partitions = found.filter(
    ({ name, columns }) => name !== "task" && requiredFields.every((each) => columns.has(each)),
  );
  return {
    columns: main?.columns ?? null,
    absent: new Map(
      found.map(({ name, columns }) => [name, new Set(laterFields.filter((field) => !columns.has(field)))]),
    ),
    partitions: partitions.map(({ name }) => name).toSorted((one, other) => numberOf(one) - numberOf(other)),
    indices: new Map(found.map(({ name, indices }) => [name, indices])),
    tallied: ["tally_insert", "tally_update", "tally_delete"].every((each) => main?.triggers.has(each) === true),
  };
}

/** The columns that a table lacks. A table that is not in the catalog lacks none. */
export function absentIn({ absent }: Pick<Catalog, "absent">, table: string): ReadonlySet<TaskField> {
  return absent.get(table) ?? new Set();
}

/** Reads the catalog, for callers that do not have the answer yet. Throws as Query does. */
export async function readCatalog(query: Query): Promise<Catalog> {
  return catalogOf(await query(catalogQuestion));
}

/** A condition: the table has all columns of 2.8. `fields` is the parameter with their names. */
const hasFields = (fields: string): string => `(select count(*) from pg_attribute where attrelid = pg_class.oid
  and attnum > 0 and not attisdropped and attname = any (${fields}::text[])) = ${requiredFields.length}`;

/** The partitions alone, for callers that ask again and again. */
export async function partitionsOf(query: Query): Promise<readonly string[]> {
  const rows = await query(
    `select relname from pg_class where relnamespace = ${schemaId} and ${isPartition} and ${hasFields("$1")}
     order by substr(relname, 6)::int`,
    [requiredFields],
  );
  return rows.map(([name]) => String(name));
}

/** A query that finds a partition which is not among those that are known. */
export function otherPartition(known: readonly string[], bind: Bind): string {
  return `select 1 from pg_class where relnamespace = ${schemaId} and ${isPartition}
    and relname <> all (${bind(known)}::text[]) and ${hasFields(bind(requiredFields))}`;
}

const numberOf = (partition: string): number => Number(partition.slice("task_".length));

function names(json: unknown): ReadonlySet<string> {
  return new Set(json === null ? [] : (JSON.parse(String(json)) as string[]));
}
