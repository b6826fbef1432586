/*
 * The page: hears events of /events and puts what they say into the elements of page.html. All text of tasks goes in as
 * textContent. Rows are kept from one event to the next, so that the keyboard's place is not lost.
 */
"use strict";

const $ = (id) => document.getElementById(id);
const control = document.querySelector("meta[name=control]").content;
const whole = new Intl.NumberFormat("en");
const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/* ---- numbers as people read them ---- */

function seconds(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value < 0.001) return "< 1 ms";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 10) return `${value.toFixed(1)} s`;
  const all = Math.round(value);
  if (all < 60) return `${all} s`;
  const [d, h, m, s] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60, all % 60];
  if (d > 0) return `${d} d ${h} h`;
  return h > 0 ? `${h} h ${m} min` : `${m} min ${s} s`;
}

function rate(value) {
  if (value === null) return "–";
  return value >= 100 ? whole.format(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) [value, at] = [value / 1024, at + 1];
  return `${at < 2 ? Math.round(value) : value.toFixed(value < 10 ? 1 : 0)} ${units[at]}`;
}

const set = (id, text) => {
  const at = typeof id === "string" ? $(id) : id;
  if (at.textContent !== text) at.textContent = text;
};

/* ---- tables ---- */

const ago = (then) => (then === null ? null : Math.max(0, (now - then) / 1000));
/* Ids begin with the time, so those of one run differ at their end. */
const shortId = (id) => `…${id.slice(-8)}`;
let now = Date.now();

/* Each column: name, what it shows, what it is sorted by, class. */
const outputButton = { label: "Output", call: (task) => openPanel(task) };
const tables = {
  running: {
    columns: [
      ["Task", (t) => shortId(t.id), (t) => t.id],
      ["For", (t) => seconds(ago(t.startTime)), (t) => -(t.startTime ?? now), "number"],
      ["Command", (t) => t.text, (t) => t.text, "text"],
      ["Host", (t) => t.host ?? "", (t) => t.host ?? ""],
      ["Group", (t) => (t.group ? String(t.group) : ""), (t) => t.group, "number"],
      ["Attempt", (t) => (t.attempt > 1 ? String(t.attempt) : ""), (t) => t.attempt, "number"],
    ],
    buttons: [outputButton, { label: "Cancel", danger: true, call: (task) => ask("cancel", task) }],
  },
  failures: {
    columns: [
      ["Task", (t) => shortId(t.id), (t) => t.id],
      ["Status", (t) => String(t.exitStatus), (t) => t.exitStatus, "number status-bad"],
      ["Command", (t) => t.text, (t) => t.text, "text"],
      ["Host", (t) => t.host ?? "", (t) => t.host ?? ""],
      ["Took", (t) => seconds(t.duration), (t) => t.duration ?? 0, "number"],
      ["Ago", (t) => seconds(ago(t.completionTime)), (t) => -t.completionTime, "number"],
    ],
    buttons: [outputButton, { label: "Run again", danger: true, call: (task) => ask("revert", task) }],
  },
  clients: {
    columns: [
      ["Host", (c) => c.host, (c) => c.host],
      ["State", (c) => c.standing ?? "", (c) => c.standing ?? "", (c) => `standing-${c.standing}`],
      ["Busy", (c) => busy(c), (c) => c.running, "number"],
      ["Cores", (c) => (c.capacity ? String(c.capacity.cores) : ""), (c) => c.capacity?.cores ?? 0, "number"],
      ["Memory", (c) => (c.capacity ? bytes(c.capacity.memory) : ""), (c) => c.capacity?.memory ?? 0, "number"],
      ["Resources", (c) => others(c), (c) => others(c)],
      ["Job", (c) => c.job ?? "", (c) => c.job ?? ""],
      ["Ended", (c) => (c.ended === null ? "" : whole.format(c.ended)), (c) => c.ended ?? 0, "number"],
      ["Failed", (c) => (c.failed === null ? "" : whole.format(c.failed)), (c) => c.failed ?? 0, "number"],
      ["Heard", (c) => (c.heardAt === null ? "" : `${seconds(Math.round(ago(c.heardAt)))} ago`), (c) => -(c.heardAt ?? 0), "number"],
    ],
    buttons: [],
  },
  servers: {
    columns: [
      ["Host", (s) => s.host, (s) => s.host],
      ["State", (s) => (s.isAlive ? "alive" : "lost"), (s) => String(s.isAlive), (s) => (s.isAlive ? "" : "failed")],
      ["Process", (s) => String(s.pid), (s) => s.pid, "number"],
      ["Up for", (s) => seconds(ago(s.startedAt)), (s) => -s.startedAt, "number"],
      ["Id", (s) => shortId(s.id), (s) => s.id],
    ],
    buttons: [],
  },
};

const others = (c) => Object.entries(c.capacity?.others ?? {}).map(([name, n]) => `${name} ${n}`).join(", ");
const busy = (c) => (c.executors === null ? whole.format(c.running) : `${c.running} of ${c.executors}`);

/* Rows of a table until more are asked for. */
const mostAtOnce = 10;

for (const [id, table] of Object.entries(tables)) {
  Object.assign(table, { rows: new Map(), data: [], sortBy: null, falling: false, isShort: true });
  $(`${id}-more`).addEventListener("click", () => {
    table.isShort = !table.isShort;
    fill(id, table.data);
  });
  const head = document.createElement("tr");
  table.heads = table.columns.map(([name, , , kind], at) => {
    const th = document.createElement("th");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => sort(id, at));
    th.scope = "col";
    th.className = typeof kind === "string" ? kind : "";
    th.classList.remove("status-bad", "text");
    th.append(button);
    head.append(th);
    return th;
  });
  table.buttons = table.buttons.filter(({ danger }) => !danger || control !== "");
  if (table.buttons.length > 0) {
    const th = document.createElement("th");
    th.scope = "col";
    const label = document.createElement("span");
    label.className = "unseen";
    label.textContent = "Actions";
    th.append(label);
    head.append(th);
  }
  $(id).querySelector("thead").append(head);
  // Rows that are laid out as cards on a phone stay rows for a screen reader.
  $(id).setAttribute("role", "table");
}

function sort(id, at) {
  const table = tables[id];
  table.falling = table.sortBy === at && !table.falling;
  table.sortBy = at;
  table.heads.forEach((th, i) => {
    if (i === at) th.setAttribute("aria-sort", table.falling ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  });
  fill(id, table.data);
}

function fill(id, data) {
  const table = tables[id];
  table.data = data;
  const [, , key] = table.columns[table.sortBy ?? 0];
  const sign = table.falling ? -1 : 1;
  let shown = table.sortBy === null ? data : [...data].sort((a, b) => sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
  const body = $(id).querySelector("tbody");
  const rest = shown.length - mostAtOnce;
  if (table.isShort) shown = shown.slice(0, mostAtOnce);
  $(`${id}-more`).hidden = rest <= 0;
  set(`${id}-more`, table.isShort ? `Show ${rest} more` : "Show fewer");
  const here = new Set(shown.map((each) => each.id));
  for (const [key0, row] of table.rows)
    if (!here.has(key0)) {
      // The keyboard's place goes to the table, not to the top of the page.
      if (row.element.contains(document.activeElement)) table.heads[0].firstChild.focus();
      row.element.remove();
      table.rows.delete(key0);
    }
  let at = body.firstChild;
  for (const each of shown) {
    const row = table.rows.get(each.id) ?? newRow(table, each);
    row.data = each;
    table.columns.forEach(([, show, , kind], i) => {
      set(row.cells[i], show(each));
      if (typeof kind === "function") row.cells[i].parentElement.className = kind(each);
    });
    if (row.element === at) at = at.nextSibling;
    else body.insertBefore(row.element, at);
  }
  $(id).hidden = shown.length === 0;
  $(`${id}-empty`).hidden = shown.length > 0;
}

function newRow(table, each) {
  const element = document.createElement("tr");
  element.setAttribute("role", "row");
  const row = { element, cells: [], data: each };
  for (const [name, show, , kind] of table.columns) {
    const td = document.createElement("td");
    td.setAttribute("role", "cell");
    if (typeof kind === "string") td.className = kind;
    if (kind !== "text") td.dataset.name = name;
    const inner = document.createElement("span");
    if (kind === "text") inner.title = show(each);
    td.append(inner);
    element.append(td);
    row.cells.push(inner);
  }
  if (table.buttons.length > 0) {
    const td = document.createElement("td");
    td.className = "buttons";
    td.setAttribute("role", "cell");
    for (const { label, danger, call } of table.buttons) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-label", `${label} of task ${shortId(each.id)}`);
      if (danger) {
        button.className = "act";
        button.setAttribute("aria-label", `${label}: task ${shortId(each.id)}`);
      }
      button.addEventListener("click", () => call(row.data));
      td.append(button);
    }
    element.append(td);
  }
  table.rows.set(each.id, row);
  return row;
}

/* ---- pictures ---- */

function bars(svg, stacks, most, gap) {
  const width = 100 / stacks.length;
  const parts = stacks.flatMap((stack, at) => {
    let top = 30;
    return stack.map(([kind, value]) => {
      const height = most === 0 ? 0 : (28 * value) / most;
      top -= height;
      return { kind, x: at * width + width * gap, y: top, width: width * (1 - 2 * gap), height };
    });
  });
  while (svg.children.length > parts.length) svg.lastChild.remove();
  while (svg.children.length < parts.length) svg.append(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
  parts.forEach(({ kind, ...box }, at) => {
    const rect = svg.children[at];
    rect.setAttribute("class", kind);
    for (const [name, value] of Object.entries(box)) rect.setAttribute(name, value.toFixed(3));
  });
}

function drawThroughput({ intervalMs, ended, failed }) {
  const most = Math.max(0, ...ended);
  bars($("spark"), ended.map((n, at) => [["ok", n - failed[at]], ["bad", failed[at]]]), most, 0.1);
  const peak = rate((most * 1000) / intervalMs);
  const span = seconds((ended.length * intervalMs) / 1000);
  set("spark-from", `${span} ago`);
  set("spark-peak", most === 0 ? "" : `peak ${peak} a second`);
  $("spark").setAttribute("aria-label", `Tasks that ended in the last ${span}, at most ${peak} a second`);
}

function drawSpread({ bounds, counts }) {
  const first = Math.max(0, counts.findIndex((n) => n > 0));
  const last = counts.length - 1 - [...counts].reverse().findIndex((n) => n > 0);
  const part = counts.slice(first, Math.max(first, last) + 1);
  const total = counts.reduce((sum, n) => sum + n, 0);
  const low = first === 0 ? 0 : bounds[first - 1];
  const high = bounds[last];
  bars($("spread"), total === 0 ? [[]] : part.map((n) => [["run", n]]), Math.max(0, ...part), 0.06);
  set("spread-low", total === 0 ? "" : low === 0 ? "0 s" : seconds(low));
  set("spread-high", total === 0 ? "" : high === undefined ? `over ${seconds(bounds.at(-1))}` : seconds(high));
  set("spread-most", total === 0 ? "no task has ended" : `${whole.format(total)} tasks`);
  $("spread").setAttribute("aria-label", total === 0 ? "No task has ended" : `How long ${total} tasks took`);
}

/* ---- what events say ---- */

let saidAt = 0;
let saidTenth = -1;
/** The last whole view; null: none has come. */
let seen = null;

/* A screen reader hears of progress at each tenth, or once a minute. */
function say(text, always) {
  if (!always && Date.now() - saidAt < 60_000) return;
  saidAt = Date.now();
  set("said", text);
}

function showWhole(view) {
  now = view.at;
  const { counts, clients } = view;
  seen = view;
  const ended = counts.succeeded + counts.failed;
  const part = (n) => (counts.total === 0 ? 0 : (100 * n) / counts.total);
  const percent = counts.remaining === 0 && counts.total > 0 ? 100 : Math.min(99.9, part(ended));
  const shown = percent === 100 ? "100 %" : percent === 0 ? "0 %" : `${percent.toFixed(1)} %`;
  set("title", view.source.title);
  document.title = counts.total === 0 ? "hs" : `${Math.floor(percent)} % · hs ${view.source.title}`;
  set("percent", counts.total === 0 ? "–" : shown);
  set("done", counts.total === 0 ? "no tasks yet" : `${whole.format(ended)} of ${whole.format(counts.total)} ended`);
  const isOver = counts.remaining === 0 && counts.total > 0;
  set("left", isOver ? "done" : seconds(view.secondsLeft));
  set("finish", isOver || view.secondsLeft === null ? "" : `at ${clockTime.format(now + view.secondsLeft * 1000)}`);
  $("bar-ok").style.width = `${part(counts.succeeded)}%`;
  $("bar-bad").style.width = `${part(counts.failed)}%`;
  $("bar-run").style.width = `${part(counts.running)}%`;
  $("bar").setAttribute("aria-valuenow", percent.toFixed(1));
  $("bar").setAttribute("aria-valuetext", `${shown}, ${ended} of ${counts.total} tasks ended, ${counts.failed} failed`);
  set("n-total", whole.format(counts.total));
  set("n-succeeded", whole.format(counts.succeeded));
  set("n-failed", whole.format(counts.failed));
  set("n-cancelled", counts.cancelled > 0 ? `${whole.format(counts.cancelled)} cancelled` : "");
  set("n-running", whole.format(counts.running));
  set("n-waiting", whole.format(counts.remaining - counts.running));
  set("queue-age", view.queueAge === null ? "" : `since ${seconds(view.queueAge)}`);
  set("rate", rate(view.rate));
  set("duration", seconds(view.duration));
  drawThroughput(view.throughput);
  drawSpread(view.durations);
  fill("clients", clients);
  fill("servers", view.servers);
  set("clients-count", whole.format(view.clientsTotal));
  set("servers-count", whole.format(view.servers.length));
  set("seen", `· as of ${new Date(now).toLocaleTimeString()}`);
  const tenth = Math.floor(percent / 10);
  say(`${shown} done, ${whole.format(counts.failed)} failed, ${seconds(view.secondsLeft)} left`, tenth !== saidTenth);
  saidTenth = tenth;
}

function showRows({ running, failures, runningTotal, filter }) {
  fill("running", running);
  fill("failures", failures);
  const of = running.length < runningTotal ? `${running.length} of ${whole.format(runningTotal)}` : whole.format(runningTotal);
  set("running-count", of);
  const known = seen === null || filter !== "" ? failures.length : seen.counts.failed - seen.counts.cancelled;
  const last = failures.length < known ? `${failures.length} of ${whole.format(known)}` : whole.format(failures.length);
  set("failures-count", failures.length === 0 ? "" : last);
  set("running-empty", filter === "" ? "Nothing runs." : `Nothing runs with “${filter}”.`);
  set("failures-empty", filter === "" ? "Nothing has failed." : `Nothing failed with “${filter}”.`);
}

function trouble(text) {
  $("trouble").hidden = text === null;
  set("trouble", text ?? "");
}

function link(state, text) {
  if ($("link").dataset.state === state && $("link-text").textContent === text) return;
  if ($("link").dataset.state !== state && state !== "live") say(text, true);
  $("link").dataset.state = state;
  set("link-text", text);
}

/* ---- the connection ---- */

let stream = null;
let heardAt = Date.now();
let retry = null;
let pause = 1000;
let isOver = false;

const filterWords = () => `filter=${encodeURIComponent($("filter").value.trim())}`;

function connect() {
  clearTimeout(retry);
  stream?.close();
  const mine = (stream = new EventSource(`/events?${filterWords()}`));
  const on = (name, call) =>
    mine.addEventListener(name, (event) => {
      if (stream !== mine) return;
      heardAt = Date.now();
      call(JSON.parse(event.data));
    });
  on("view", (view) => {
    pause = 1000;
    isOver = false;
    trouble(null);
    link("live", "Live");
    showWhole(view);
  });
  on("rows", showRows);
  on("trouble", ({ text }) => trouble(`The numbers are not new: ${text}.`));
  on("end", ({ why }) => {
    isOver = true;
    link("over", why);
    trouble(null);
  });
  mine.addEventListener("error", () => {
    if (stream === mine) void lost();
  });
}

/* How long an answer may take, milliseconds: another program may have the port by now. */
const answerMs = 5000;

/* Asks why, and tries again: soon at first, then every ten seconds. */
async function lost() {
  stream?.close();
  stream = null;
  if (!isOver && $("link").dataset.state === "live") link("gone", "Server gone, trying again");
  try {
    const asked = await fetch(`/view?${filterWords()}`, { signal: AbortSignal.timeout(answerMs) });
    if (asked.status === 401) {
      link("gone", "Signed out");
      trouble("This page is of an earlier start. Open the link that hs printed when it was started last.");
      pause = 10_000;
    } else if (asked.status === 503) {
      link("gone", "Waiting");
      trouble((await asked.text()).trim());
    }
  } catch {
    const since = seconds(Math.round((Date.now() - heardAt) / 1000));
    if (!isOver) link("gone", `Server gone for ${since}, trying again`);
  }
  clearTimeout(retry);
  retry = setTimeout(connect, document.hidden ? 30_000 : pause);
  pause = Math.min(10_000, pause * 1.6);
}

/* A browser has six connections to a host: pages that nobody sees leave theirs to others, and ask now and then. */
let hiddenTimer = null;
async function peek() {
  try {
    const asked = await fetch("/view");
    if (asked.ok) showWhole(await asked.json());
  } catch {}
}
document.addEventListener("visibilitychange", () => {
  clearInterval(hiddenTimer);
  clearTimeout(retry);
  if (!document.hidden) return connect();
  stream?.close();
  stream = null;
  hiddenTimer = setInterval(peek, 15_000);
});

/* The line is dead without a word: a laptop slept, or a network changed. */
setInterval(() => {
  if (stream !== null && Date.now() - heardAt > 15_000 && stream.readyState === EventSource.OPEN) {
    heardAt = Date.now();
    connect();
  }
}, 5000);

let typed = null;
$("filter").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(connect, 300);
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof HTMLInputElement && event.target.type !== "checkbox";
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  $("filter").focus();
});

/* ---- the output of a task ---- */

const panel = { task: null, stream: "stdout", next: -65_536, timer: null, asked: 0 };
const mostShown = 1_000_000;

function openPanel(task) {
  panel.task = task;
  set("panel-title", `Output of ${shortId(task.id)}`);
  set("panel-command", task.text);
  $("panel").showModal();
  openStream("stdout");
}

function openStream(name) {
  panel.stream = name;
  panel.next = -65_536;
  $("panel-text").textContent = "";
  for (const each of ["stdout", "stderr"]) $(`tab-${each}`).setAttribute("aria-pressed", String(each === name));
  void readOutput(++panel.asked);
}

async function readOutput(asked) {
  clearTimeout(panel.timer);
  const query = new URLSearchParams({ id: panel.task.id, stream: panel.stream, from: panel.next });
  let piece = null;
  try {
    const answer = await fetch(`/output?${query}`);
    if (asked !== panel.asked) return;
    if (answer.ok) piece = await answer.json();
    else return set("panel-state", (await answer.text()).trim());
  } catch {
    set("panel-state", "The server does not answer.");
  }
  if (asked !== panel.asked) return;
  if (piece !== null) {
    const box = $("panel-text");
    const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
    panel.next = piece.next;
    if (piece.text !== "") {
      box.append(piece.text);
      if (box.textContent.length > mostShown) box.textContent = box.textContent.slice(-mostShown / 2);
      if ($("follow").checked && isAtEnd) box.scrollTop = box.scrollHeight;
    }
    set("panel-state", piece.over && !piece.more ? (box.textContent === "" ? "It printed nothing." : "ended") : "running");
    if (piece.over && !piece.more) return;
    if (piece.more) return void readOutput(asked);
  }
  panel.timer = setTimeout(() => $("follow").checked && readOutput(asked), 1000);
}

$("tab-stdout").addEventListener("click", () => openStream("stdout"));
$("tab-stderr").addEventListener("click", () => openStream("stderr"));
$("follow").addEventListener("change", () => $("follow").checked && readOutput(panel.asked));
$("panel-close").addEventListener("click", () => $("panel").close());
$("panel").addEventListener("close", () => {
  panel.asked++;
  clearTimeout(panel.timer);
});

/* ---- what is done to tasks ---- */

const words = {
  cancel: ["Cancel this task?", "Cancel it", "cancelled"],
  revert: ["Run this task again?", "Run it again", "to be run again"],
};
let order = null;

function ask(action, task) {
  order = { action, ids: [task.id] };
  set("sure-title", words[action][0]);
  set("sure-yes", words[action][1]);
  set("sure-command", task.text);
  $("sure").showModal();
  $("sure-no").focus();
}

$("sure-no").addEventListener("click", () => $("sure").close());
$("sure-yes").addEventListener("click", () => {
  $("sure").close();
  void carryOut();
});

async function carryOut() {
  const { action } = order;
  try {
    const headers = { "Content-Type": "application/json", "X-HS-Control": control };
    const answer = await fetch("/act", { method: "POST", headers, body: JSON.stringify(order) });
    if (!answer.ok) return trouble((await answer.text()).trim());
    const { changed } = await answer.json();
    say(changed === 0 ? "The task had ended already." : `The task is ${words[action][2]}.`, true);
  } catch {
    trouble("The server does not answer: nothing was changed, as far as is known.");
  }
}

connect();
