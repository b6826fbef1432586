/*
 * What a run lets others see of itself while it lasts. Nothing is loaded or noted before somebody asks.
 */
import { systemClock } from "../../base/clock.ts";
import type { Config } from "../../config/load.ts";
import type { Loggers } from "../../log/logger.ts";
import type { Server } from "../../server/door.ts";
import type { ServerNumbers } from "../../server/look.ts";
import type { OwnStore, ServerRow, Store } from "../../store/store.ts";
import type { ViewSource } from "../../view/view.ts";

/** What can be seen of a run under way. It costs nothing before the first call. */
export interface Seen {
  /** A few numbers of the server, at once; rates begin with the first call. */
  numbers(): ServerNumbers;
  /**
   * Opens a source of views, to be closed before the run has ended. Rates and durations begin with the first call.
   * Rejects with a UserError when the database cannot be looked at.
   */
  view(): Promise<ViewSource>;
}

/** A run, as far as it is looked at. `own`: null where its tasks are in a database. */
interface Seeable {
  readonly host: string;
  readonly store: Pick<Store, "servers">;
  readonly own: OwnStore | null;
  readonly isAlive: (server: ServerRow) => boolean;
}

/** What can be seen of a run by those who ask. */
export function seenOf(
  { config, loggers }: { readonly config: Config; readonly loggers: Loggers },
  { host, store, own, isAlive }: Seeable,
  server: Server,
): Seen {
  return {
    numbers: () => server.numbers(),
    async view() {
      const { viewServer } = await import("./server.ts");
      const { databaseViewing } = await import("./database.ts");
      const tasks = own ?? databaseViewing(config, loggers, loggers("data"));
      const servers = (): Promise<readonly ServerRow[]> => store.servers();
      return viewServer({ server, servers, isAlive, tasks, name: host, clock: systemClock });
    },
  };
}
