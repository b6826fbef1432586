/*
 * The named layouts of log lines (`logging.style`), each written as `logging.format` would have it.
 */

const name = "%(ansi_faint)s[%(name)s]%(ansi_reset)s";
const level = "%(ansi_level)s%(ansi_bold)s%(levelname)8s%(ansi_reset)s";
const time = "%(asctime)s.%(msecs)03d";

export const styles = {
  default: `%(ansi_bold)s%(ansi_level)s%(levelname)8s%(ansi_reset)s ${name} %(message)s`,
  system: `${time} %(hostname)s %(levelname)8s [%(app_id)s] [%(name)s] %(message)s`,
  detailed: `%(ansi_faint)s${time} %(hostname)s %(ansi_reset)s${level} ${name} %(message)s`,
  "detailed-compact":
    `%(ansi_faint)s%(elapsed_hms)s [%(hostname_short)s] %(ansi_reset)s${level} ` +
    "%(ansi_faint)s[%(relative_name)s]%(ansi_reset)s %(message)s",
  short: "%(ansi_level)s[%(elapsed).3f]%(ansi_reset)s %(message)s",
} as const;

export type StyleName = keyof typeof styles;

export const styleNames = Object.keys(styles) as readonly StyleName[];

/** The style of that name in any case; null when there is none. */
export function parseStyle(text: string): StyleName | null {
  const folded = text.trim().toLowerCase();
  return Object.hasOwn(styles, folded) ? (folded as StyleName) : null;
}

export const defaultDateFormat = "%Y-%m-%d %H:%M:%S";
