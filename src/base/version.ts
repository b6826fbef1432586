/* The version of this program. */
import { version } from "../../package.json";

/** Our version, as in package.json; also what a submission records. */
export const programVersion: string = version;
