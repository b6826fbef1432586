/*
 * Who this process is: the id that stands in its log lines (`app_id`) and, where it submits or serves, in the rows of
 * its tasks.
 */
import { newId } from "../base/ids.ts";

export const instanceId: string = newId();
