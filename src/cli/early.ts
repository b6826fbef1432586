/*
 * Has signals kept from the first moment on, if the words mean a run or a client: it will heed them when it is up.
 * main.ts imports this file before all others, because imports are carried out in their order.
 */
import { keepSignals } from "../base/early.ts";
import { programName } from "./program.ts";

/** The commands that listen to signals of their own while they run. */
const running = new Set(["cluster", "server", "client"]);

const isRun = programName(process.argv0, process.execPath) === "hsx" || running.has(process.argv[2] ?? "");
if (isRun) keepSignals(["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGINT", "SIGBREAK"]);
