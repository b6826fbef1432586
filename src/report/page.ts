/*
 * The report as one file: HTML that asks for nothing else. All colours and layout are in one style sheet, and the only
 * program in it zooms the charts over time; both are named by their hashes, so that a browser runs nothing else,
 * whatever a task is called.
 */
import { createHash } from "node:crypto";
import css from "./report.css" with { type: "text" };
import program from "./zoom.js" with { type: "text" };
import { zoneOffset } from "../base/zone.ts";
import { countText, paragraph, section, text, timeText } from "./html.ts";
import { durationSection, resourceSection, waitSection } from "./spread.ts";
import type { Summary } from "./summary.ts";
import { attemptSection, failureSection, type Filters, hostSection, slowestSection, summarySection } from "./tables.ts";
import { timelineSections } from "./timeline.ts";

/** What the report says of itself. */
export interface Imprint extends Filters {
  /** The database, for people. */
  readonly database: string;
  /** Name and version of the program. */
  readonly program: string;
  /** The host that made it. */
  readonly host: string;
}

function hashOf(content: string): string {
  return `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
}

/** The whole page. */
export function reportPage(summary: Summary, imprint: Imprint): string {
  const { counts, at } = summary;
  const title = `Report on ${countText(counts.total, "task")}`;
  const policy = [
    "default-src 'none'",
    `style-src ${hashOf(css)}`,
    `script-src ${hashOf(program)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const { filters, database } = imprint;
  const found = filters === "" ? "All tasks" : `Tasks found by <code>hs list${text(filters)}</code>`;
  const sections = [
    summarySection(summary, imprint),
    timelineSections(summary),
    durationSection(summary),
    waitSection(summary),
    failureSection(summary),
    slowestSection(summary),
    resourceSection(summary),
    attemptSection(summary),
    hostSection(summary),
    notes(summary, imprint),
  ].join("");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="${text(imprint.program)}">
<title>${title}</title>
<style>${css}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p>${found} in ${text(database)},
as of <time datetime="${new Date(at).toISOString()}">${timeText(at)}</time>.</p>
${contents(sections)}</header>
<main>
${sections}</main>
<script>${program}</script>
</body>
</html>
`;
}

/** Links to the sections. */
function contents(sections: string): string {
  const links = [...sections.matchAll(/<h2 id="(\w+)-h">([^<]*)<\/h2>/g)].map(
    ([, id, title]) => `<li><a href="#${id}">${title}</a></li>`,
  );
  return `<nav aria-label="Contents"><ul>${links.join("")}</ul></nav>\n`;
}

function notes({ at }: Summary, { program: name, host }: Imprint): string {
  const offset = zoneOffset(at);
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  const zone = `UTC${offset < 0 ? "−" : "+"}${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`;
  return section(
    "notes",
    "Notes",
    paragraph(
      `Made by ${text(name)} on ${text(host)}. Times are local times of that host (${zone} when this was made). ` +
        "Each attempt of a task counts as a task, as in <code>hs list</code>. Durations of tasks that run are " +
        "the time " +
        "since their start. " +
        "Failed means every exit status other than 0, cancelled tasks included.",
    ),
  );
}
