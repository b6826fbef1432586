/*
 * A source of views that is not there yet: the page listens before the run begins, so that a port that is not available
 * is noticed before the first task runs.
 */
import type { ViewSource } from "../view/view.ts";

/** A source that waits for another one. Calls reject as `source` does, and are answered when it is there. */
export function laterSource(source: Promise<ViewSource>): ViewSource {
  // Whoever asks is told. Nobody may ask.
  source.catch(() => undefined);
  return {
    look: async (query) => (await source).look(query),
    output: async (query) => (await source).output(query),
    act: async (action, ids) => (await source).act(action, ids),
    close: () =>
      source.then(
        (opened) => opened.close(),
        () => undefined,
      ),
  };
}
