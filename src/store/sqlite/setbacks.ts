/*
 * Failures that hold tasks back, in SQL: of which submissions and directories they are. They are found by going from
 * one failed submission to the next in the index on failures (schema.ts), so the cost follows the number of submissions
 * that failed, not the number of tasks. It is paid only by claims of a higher group than that of some failure.
 */
import type { Retries } from "../../task/retries.ts";
import type { Connection } from "./connection.ts";
import { type Lowest, LowestKept, lowestOf, nowhere } from "../setbacks.ts";
import { type ClaimRequest, mostTold, type Setback } from "../store.ts";

/** What a claim wants to know of failures: its own scope, and which of them are final. */
type Asked = Pick<ClaimRequest, "scope" | "retries">;

export interface Setbacks {
  /** Whether there is a failure in a lower group than this, of whichever submission. */
  isAnyBelow(group: number): boolean;
  /**
   * The lowest groups with final failures in scope. `isFresh` false: those of a moment ago will do if it takes long to
   * find them.
   */
  lowest(asked: Asked, reserved: readonly string[], isFresh: boolean): Lowest;
  /** The directory that a submission came from; `nowhere`: it is not recorded. */
  directoryOf(submitId: string): string;
  /**
   * Final failures in scope that are below the group which `below` answers for their directory. The first few of them,
   * and how many there are.
   */
  list(
    asked: Asked,
    reserved: readonly string[],
    below: (directory: string) => number,
  ): { readonly setbacks: readonly Setback[]; readonly reasons: number };
}

const failed = "retried = 0 and exit_status is not null and exit_status <> 0 and exit_status <> -1";
const fromFailed = `from task indexed by task_failed where ${failed}`;
/**
 * Those that are not tried again; ?1: group, ?2: a submission, ?3: the attempts of a task, ?4: the statuses that are
 * tried again; null: all are. The first form finds them without a look at the others.
 */
const whose = `${fromFailed} and "group" = ?1 and submit_id = ?2`;
const final = {
  byAttempt: `${whose} and attempt >= ?3 and ?4 is null`,
  byStatus: `${whose} and (attempt >= ?3 or exit_status not in (select value from json_each(?4)))`,
};

/** Ten times what it takes to find one submission (3 µs), milliseconds. */
const msEach = 0.03;

/** A submission that failed in a group. */
interface Failure {
  readonly group: number;
  readonly submitId: string;
  readonly directory: string;
}

/** A number below every group. */
const bottom = Number.MIN_SAFE_INTEGER;

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(db: Connection) {
  return {
    anyBelow: db.prepare(`select 1 ${fromFailed} and "group" < ? limit 1`),
    nextGroup: db.prepare(`select "group" ${fromFailed} and "group" > ? order by "group" limit 1`),
    nextOf: db.prepare(`select submit_id ${fromFailed} and "group" = ? and submit_id > ? order by submit_id limit 1`),
    byAttempt: prepareFinal(db, final.byAttempt),
    byStatus: prepareFinal(db, final.byStatus),
    times: db.times,
    submission: db.prepare("select cwd, time from submission where id = ?"),
  };
}

/** The statements about final failures, which `condition` describes. */
function prepareFinal(db: Connection, condition: string) {
  return {
    is: db.prepare(`select 1 ${condition} limit 1`),
    count: db.prepare(`select count(*) ${condition}`),
    example: db.prepare(`select id ${condition} limit 1`),
    /**
     * The directories of failed submissions of a group, and how many of these there are in each. ?2: what is reserved.
     */
    places: db.prepare(
      `with recursive pair (id) as (
         select (select submit_id ${fromFailed} and "group" = ?1 order by submit_id limit 1)
         union all
         select (select submit_id ${fromFailed} and "group" = ?1 and submit_id > pair.id order by submit_id limit 1)
         from pair where pair.id is not null
       )
       select coalesce((select cwd from submission where submission.id = pair.id), ''), count(*) from pair
       where id is not null and id not in (select value from json_each(?2))
         and (?3 <= 1 or exists (select 1 ${condition.replace("submit_id = ?2", "submit_id = pair.id")}))
       group by 1`,
    ),
  };
}

/** Prepares the statements. `now` is a clock in milliseconds that never goes back. */
export function prepareSetbacks(db: Connection, now: () => number): Setbacks {
  const its = prepareStatements(db);
  const directoryOf = (submitId: string): string => String(its.submission.values(submitId)[0]?.[0] ?? nowhere);
  const kept = new LowestKept(now, msEach);
  return {
    isAnyBelow: (group) => its.anyBelow.get(group) !== null,
    directoryOf,
    lowest(asked, reserved, isFresh) {
      const key = JSON.stringify([asked.scope, asked.retries, reserved]);
      const recent = isFresh ? null : kept.find(key);
      if (recent !== null) return recent;
      const places = asked.scope.kind === "all" ? placesOfAll(its, asked, reserved) : [];
      if (asked.scope.kind === "submission")
        for (const { directory, group } of failures(its, directoryOf, asked, reserved))
          places.push({ directory, group, submissions: 1 });
      const submissions = places.reduce((sum, place) => sum + place.submissions, 0);
      return kept.keep(key, lowestOf(places.map(({ directory, group }) => [directory, group])), submissions);
    },
    list(asked, reserved, below) {
      const setbacks: Setback[] = [];
      let reasons = 0;
      for (const { group, submitId, directory } of failures(its, directoryOf, asked, reserved)) {
        if (group >= below(directory)) continue;
        reasons++;
        if (setbacks.length < mostTold) setbacks.push(setback(its, group, submitId, asked.retries));
      }
      return { setbacks, reasons };
    },
  };
}

/** Directories with final failures of a group, of how many submissions. */
interface Place {
  readonly directory: string;
  readonly group: number;
  readonly submissions: number;
}

/** The statements for these retries, and the last two values that each of them takes. */
function finalOf(its: Statements, { attempts, statuses }: Retries) {
  const cells: readonly [number, string | null] = [attempts, statuses === null ? null : JSON.stringify(statuses)];
  return { statements: statuses === null ? its.byAttempt : its.byStatus, cells };
}

function placesOfAll(its: Statements, { retries }: Asked, reserved: readonly string[]): Place[] {
  const { statements, cells } = finalOf(its, retries);
  const places: Place[] = [];
  for (const group of failedGroups(its)) {
    const rows = statements.places.values(group, JSON.stringify(reserved), ...cells);
    for (const [directory, count] of rows)
      places.push({ directory: String(directory), group, submissions: Number(count) });
  }
  return places;
}

/** The groups with failures of any submission, from the lowest up. */
function* failedGroups(its: Statements): Iterable<number> {
  for (let group = bottom; ;) {
    const [next] = its.nextGroup.values(group);
    if (typeof next?.[0] !== "number") return;
    group = next[0];
    yield group;
  }
}

function* failures(
  its: Statements,
  directoryOf: (submitId: string) => string,
  { scope, retries }: Asked,
  reserved: readonly string[],
): Iterable<Failure> {
  const skipped = new Set(reserved);
  const { statements, cells } = finalOf(its, retries);
  const isFinal = (group: number, submitId: string): boolean => statements.is.get(group, submitId, ...cells) !== null;
  const counts = (group: number, submitId: string): boolean => retries.attempts <= 1 || isFinal(group, submitId);
  const text = (rows: unknown[][]): string | null => (typeof rows[0]?.[0] === "string" ? rows[0][0] : null);
  for (const group of failedGroups(its)) {
    if (scope.kind === "submission") {
      if (isFinal(group, scope.id)) yield { group, submitId: scope.id, directory: directoryOf(scope.id) };
      continue;
    }
    for (let id = text(its.nextOf.values(group, "")); id !== null; id = text(its.nextOf.values(group, id))) {
      if (!skipped.has(id) && counts(group, id)) yield { group, submitId: id, directory: directoryOf(id) };
    }
  }
}

function setback(its: Statements, group: number, submitId: string, retries: Retries): Setback {
  const { statements, cells } = finalOf(its, retries);
  const row = its.submission.values(submitId)[0];
  return {
    submitId,
    origin: row === undefined ? null : { cwd: String(row[0]), time: its.times.parse(row[1]) ?? 0 },
    group,
    failed: Number(statements.count.values(group, submitId, ...cells)[0]?.[0]),
    example: String(statements.example.values(group, submitId, ...cells)[0]?.[0]),
  };
}
