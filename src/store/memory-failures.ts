/*
 * The failures that a store in memory remembers: for groups, how many there were of each kind, and for another attempt
 * the last of the tasks themselves. Knows neither servers nor waiting tasks.
 */
import { type Deque, deque } from "../base/deque.ts";
import { isTriedAgain, type Retries } from "../task/retries.ts";
import type { Failure } from "./retry.ts";

interface FailedTask extends Failure {
  /** Its number in order of insertion. Times do not tell the order: many tasks are submitted within a millisecond. */
  readonly place: number;
}

/** Failures of one group, submission, attempt and status: how many, and the id of one. */
interface Kind {
  readonly attempt: number;
  readonly exitStatus: number;
  count: number;
  example: string;
}

/** Final failures of one group in one submission; `example` is the id of one. */
export interface FinalFailures {
  readonly submitId: string;
  readonly group: number;
  readonly failed: number;
  readonly example: string;
}

/** The largest number of characters in the lines of the tasks that are kept. */
const mostText = 16 * 1024 * 1024;

export class KnownFailures {
  readonly #capacity: number;
  /** By group and submission, and by attempt and status as one text. */
  readonly #kinds = new Map<number, Map<string, Map<string, Kind>>>();
  /** Failed tasks that were not tried again, oldest first: the last `capacity` of them, or fewer. */
  readonly #tasks: Deque<FailedTask> = deque<FailedTask>();
  /** The number of characters in their lines. */
  #text = 0;

  /** `capacity`: the largest number of tasks that can be tried again. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  keep(failed: FailedTask): void {
    this.#count(failed, 1);
    this.#tasks.push(failed);
    this.#text += failed.task.args.length;
    while (this.#tasks.length > this.#capacity || this.#text > mostText)
      this.#text -= this.#tasks.shift()!.task.args.length;
  }

  /** Takes out those that are tried again, of the submissions that are `mine`, in the order of their submission. */
  takeAgain(retries: Retries, mine: (submitId: string) => boolean): readonly Failure[] {
    const again: FailedTask[] = [];
    for (const failed of this.#tasks.drain()) {
      const { task, exitStatus } = failed;
      if (isTriedAgain(retries, task.attempt, exitStatus) && mine(task.submitId)) again.push(failed);
      else this.#tasks.push(failed);
    }
    for (const failed of again) {
      this.#count(failed, -1);
      this.#text -= failed.task.args.length;
    }
    return again.toSorted((one, other) => one.place - other.place);
  }

  /** Those that are not tried again, of the submissions that are `mine`. */
  *final(retries: Retries, mine: (submitId: string) => boolean): Iterable<FinalFailures> {
    for (const [group, bySubmission] of this.#kinds) {
      for (const [submitId, kinds] of bySubmission) {
        if (!mine(submitId)) continue;
        const final = [...kinds.values()].filter(
          ({ attempt, exitStatus, count }) => count > 0 && !isTriedAgain(retries, attempt, exitStatus),
        );
        const failed = final.reduce((sum, { count }) => sum + count, 0);
        if (failed > 0) yield { submitId, group, failed, example: final[0]!.example };
      }
    }
  }

  #count({ task, exitStatus }: FailedTask, change: 1 | -1): void {
    const { id, group, submitId, attempt } = task;
    const ofGroup = upsert(this.#kinds, group, () => new Map<string, Map<string, Kind>>());
    const ofSubmission = upsert(ofGroup, submitId, () => new Map<string, Kind>());
    const first = (): Kind => ({ attempt, exitStatus, count: 0, example: id });
    upsert(ofSubmission, `${attempt} ${exitStatus}`, first).count += change;
  }
}

function upsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
