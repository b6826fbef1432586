/*
 * Opens the history of tasks in the database that the settings name: to look, to change, to keep house. The driver is
 * loaded only when a database is opened. store/open.ts knows which database the settings name.
 */
import { systemClock } from "../base/clock.ts";
import { type OpenOptions, type StoreOptions, targetOf } from "../store/open.ts";
import type { CheckStore } from "./faults.ts";
import type { Overview } from "./overview.ts";
import type { EditStore, RecordStore, UpkeepStore } from "./history.ts";

export interface RecordOptions extends OpenOptions {
  /** Archived tasks are not looked at. */
  readonly ignorePartitions?: boolean;
  /** Told each place that archived tasks are read from. */
  readonly debug?: ((text: string) => void) | null;
  /** Told each place whose tasks cannot be shown. */
  readonly warn?: ((text: string) => void) | null;
}

export interface UpkeepOptions extends StoreOptions {
  /** Told steps of housekeeping. */
  readonly debug?: ((text: string) => void) | null;
}

/** For looking only: a database that cannot be written will do. Throws UserError for what stands in the way. */
export async function openRecords(options: RecordOptions): Promise<RecordStore> {
  const { pragmas, echo = null, made = null, debug = null, warn = null } = options;
  const found = await targetOf(options);
  if (found.kind === "postgres") {
    const { openPostgresRecords } = await import("./postgres/open.ts");
    const { ignorePartitions = false } = options;
    return openPostgresRecords({ target: found.target, clock: systemClock, echo, ignorePartitions, debug });
  }
  const file = { file: found.file, pragmas, echo, made };
  if (options.ignorePartitions === true) {
    const { openSqliteRecords } = await import("./sqlite/records.ts");
    return openSqliteRecords(file);
  }
  const { openSqliteHistory } = await import("./sqlite/partitions.ts");
  return openSqliteHistory({ ...file, debug, warn });
}

/**
 * For a glance: nothing is changed or made, and a file that is locked is not waited for. Archived tasks are left out.
 * Throws UserError for what stands in the way, also for a database that is not there.
 */
export async function openGlance(options: OpenOptions): Promise<RecordStore> {
  const { pragmas } = options;
  const found = await targetOf(options);
  if (found.kind === "postgres") {
    const { openPostgresRecords } = await import("./postgres/open.ts");
    const quiet = { echo: null, debug: null, ignorePartitions: true };
    return openPostgresRecords({ target: found.target, clock: systemClock, ...quiet });
  }
  const { openSqliteGlance } = await import("./sqlite/records.ts");
  return openSqliteGlance({ file: found.file, pragmas });
}

/**
 * For a glance that is repeated again and again: nothing is changed or made, and everything goes along indices. Throws
 * UserError for what stands in the way, also for a database that is not there.
 */
export async function openOverview(options: OpenOptions): Promise<Overview> {
  const { pragmas } = options;
  const found = await targetOf(options);
  if (found.kind === "postgres") {
    const { openPostgresOverview } = await import("./postgres/overview.ts");
    return openPostgresOverview({ target: found.target, clock: systemClock, echo: null });
  }
  const { openSqliteOverview } = await import("./sqlite/overview.ts");
  return openSqliteOverview({ file: found.file, pragmas });
}

/** For looking and changing; archived tasks are left out. Throws UserError for what stands in the way. */
export async function openEdits(options: OpenOptions): Promise<EditStore> {
  const { pragmas, echo = null, notice = null, made = null } = options;
  const found = await targetOf(options);
  if (found.kind === "postgres") {
    const { openPostgresEdits } = await import("./postgres/open.ts");
    return openPostgresEdits({ target: found.target, clock: systemClock, echo });
  }
  const { openSqliteEdits } = await import("./sqlite/edits.ts");
  return openSqliteEdits({ file: found.file, pragmas, echo, notice, made });
}

/** For housekeeping. Throws UserError for what stands in the way. */
export async function openUpkeep(options: UpkeepOptions): Promise<UpkeepStore> {
  const { pragmas, clock, echo = null, notice = null, debug = null } = options;
  const found = await targetOf(options);
  if (found.kind === "postgres") {
    const { openPostgresUpkeep } = await import("./postgres/open.ts");
    return openPostgresUpkeep({ target: found.target, clock, echo, create: options.create ?? false });
  }
  const { openSqliteUpkeep } = await import("./sqlite/upkeep.ts");
  if (options.create !== true) {
    const { expectFolder } = await import("../store/sqlite/connection.ts");
    expectFolder(found.file);
  }
  return openSqliteUpkeep({ file: found.file, pragmas, clock, echo, notice, debug });
}

/**
 * For verifying; nothing is made. Throws UserError for what stands in the way, also for a database that is not there.
 */
export async function openCheck(options: OpenOptions): Promise<CheckStore> {
  const { pragmas, echo = null } = options;
  const found = await targetOf(options);
  if (found.kind === "postgres") {
    const { openPostgresCheck } = await import("./postgres/verify.ts");
    return openPostgresCheck({ target: found.target, clock: systemClock, echo });
  }
  const { openSqliteCheck } = await import("./sqlite/verify.ts");
  return openSqliteCheck({ file: found.file, pragmas, echo });
}
