// The page itself: it shows what events tell. Text is always put in as text, never as HTML.
"use strict";

const at = (id) => document.getElementById(id);
const control = document.body.dataset.control;

// ---- words

const whole = (value) => value.toLocaleString("en-US");

function rateOf(value) {
  if (value === null) return "–";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: digits })} / s`;
}

/** A time in words; seconds. */
function spanOf(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "–";
  if (seconds < 0) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  if (hours < 48) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function sizeOf(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function capacityOf(client) {
  const { capacity } = client;
  if (capacity === null) return "";
  const parts = [];
  if (capacity.cores) parts.push(`${whole(capacity.cores)} cores`);
  if (capacity.memory) parts.push(sizeOf(capacity.memory));
  for (const [name, amount] of Object.entries(capacity.others ?? {})) parts.push(`${name} ${amount}`);
  return parts.join(", ");
}

/** What an exit status says; negative ones mean that no program told it. */
function statusOf(status) {
  if (status < 0) return `not run (${status})`;
  return status > 128 && status < 160 ? `${status} (signal ${status - 128})` : String(status);
}

// ---- tables that keep their rows, so that the focus stays where it is

function makeTable(place, caption, columns, keyOf, emptyText) {
  const table = document.createElement("table");
  const title = table.createCaption();
  title.className = "hidden";
  title.textContent = caption;
  const head = table.createTHead().insertRow();
  const body = table.createTBody();
  const none = document.createElement("p");
  none.className = "none";
  none.textContent = emptyText;
  let sorted = null;
  let isDown = false;
  let last = [];
  for (const column of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = column.kind ?? "";
    if (column.value) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.title;
      button.addEventListener("click", () => {
        isDown = sorted === column ? !isDown : column.kind?.includes("number") === true;
        sorted = column;
        for (const other of head.cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", isDown ? "descending" : "ascending");
        update(last);
      });
      cell.append(button);
    } else {
      const name = document.createElement("span");
      name.textContent = column.title;
      cell.append(name);
    }
    head.append(cell);
  }
  place.append(table, none);
  const known = new Map();

  function newRow(item) {
    const row = document.createElement("tr");
    row.item = item;
    for (const column of columns) {
      const cell = row.insertCell();
      cell.className = column.kind ?? "";
      if (column.make) column.make(cell, row);
    }
    return row;
  }

  function update(items) {
    last = items;
    const rows = [...items];
    if (sorted !== null) {
      rows.sort((one, other) => {
        const [a, b] = [sorted.value(one), sorted.value(other)];
        const order = typeof a === "string" ? a.localeCompare(b) : a - b;
        return isDown ? -order : order;
      });
    }
    const left = new Set(known.keys());
    let before = body.firstElementChild;
    for (const item of rows) {
      const key = keyOf(item);
      left.delete(key);
      let row = known.get(key);
      if (row === undefined) known.set(key, (row = newRow(item)));
      row.item = item;
      columns.forEach((column, place_) => {
        if (!column.text) return;
        const text = column.text(item);
        const cell = row.cells[place_];
        if (cell.textContent !== text) cell.textContent = text;
      });
      if (row === before) before = row.nextElementSibling;
      else body.insertBefore(row, before);
    }
    for (const key of left) {
      known.get(key).remove();
      known.delete(key);
    }
    table.hidden = rows.length === 0;
    none.hidden = rows.length > 0;
  }
  update([]);
  return update;
}

function addButton(cell, text, labelOf, action) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", action);
  button.addEventListener("focus", () => button.setAttribute("aria-label", labelOf()));
  cell.append(button, " ");
  return button;
}

let clock = { at: Date.now(), here: performance.now() };
/** The time by the clock of the source, milliseconds. */
const nowThere = () => clock.at + performance.now() - clock.here;

const command = {
  title: "Command",
  kind: "command",
  value: ({ text }) => text,
  text: ({ text }) => text,
};
const host = { title: "Host", kind: "wide", value: ({ host: name }) => name ?? "", text: ({ host: name }) => name ?? "" };
const buttons = (action, word) => ({
  title: "",
  kind: "do",
  make(cell, row) {
    addButton(cell, "Output", () => `Output of ${row.item.text}`, () => openPanel(row.item));
    if (control !== "")
      addButton(cell, word, () => `${word}: ${row.item.text}`, (event) => act(action, row.item, event.currentTarget));
  },
});

const runsFor = ({ startTime }) => (startTime === null ? null : (nowThere() - startTime) / 1000);
const showRunning = makeTable(
  at("running"),
  "Tasks that run",
  [
    command,
    host,
    { title: "Runs for", kind: "number", value: (task) => runsFor(task) ?? -1, text: (task) => spanOf(runsFor(task)) },
    { title: "Attempt", kind: "number wide", value: ({ attempt }) => attempt, text: ({ attempt }) => String(attempt) },
    buttons("cancel", "Cancel"),
  ],
  ({ id }) => id,
  "Nothing runs.",
);
const showFailures = makeTable(
  at("failures"),
  "Tasks that failed, the last first",
  [
    command,
    { title: "Status", kind: "bad", value: ({ exitStatus }) => exitStatus, text: ({ exitStatus }) => statusOf(exitStatus) },
    host,
    {
      title: "Ended",
      kind: "number wide",
      value: ({ completionTime }) => completionTime,
      text: ({ completionTime }) => `${spanOf((nowThere() - completionTime) / 1000)} ago`,
    },
    { title: "Took", kind: "number wide", value: ({ duration }) => duration ?? -1, text: ({ duration }) => spanOf(duration) },
    buttons("revert", "Run again"),
  ],
  ({ id }) => id,
  "Nothing has failed.",
);
const orDash = (value) => (value === null ? "–" : whole(value));
const showClients = makeTable(
  at("clients"),
  "Clients",
  [
    { title: "Host", value: ({ host: name }) => name, text: ({ host: name }) => name },
    { title: "State", value: ({ standing }) => standing ?? "", text: ({ standing }) => standing ?? "–" },
    {
      title: "Runs",
      kind: "number",
      value: ({ running }) => running,
      text: ({ running, executors }) => (executors === null ? whole(running) : `${whole(running)} of ${whole(executors)}`),
    },
    { title: "Ended", kind: "number", value: ({ ended }) => ended ?? -1, text: ({ ended }) => orDash(ended) },
    { title: "Failed", kind: "number", value: ({ failed }) => failed ?? -1, text: ({ failed }) => orDash(failed) },
    { title: "Has", kind: "wide", value: capacityOf, text: capacityOf },
    { title: "Job", kind: "wide", value: ({ job }) => job ?? "", text: ({ job }) => job ?? "" },
  ],
  ({ id }) => id,
  "No client is here.",
);
const showServers = makeTable(
  at("servers"),
  "Servers",
  [
    { title: "Host", value: ({ host: name }) => name, text: ({ host: name }) => name },
    { title: "Process", kind: "number", value: ({ pid }) => pid, text: ({ pid }) => String(pid) },
    { title: "State", value: ({ isAlive }) => String(isAlive), text: ({ isAlive }) => (isAlive ? "alive" : "dead") },
    {
      title: "Up for",
      kind: "number",
      value: ({ startedAt }) => -startedAt,
      text: ({ startedAt }) => spanOf((nowThere() - startedAt) / 1000),
    },
  ],
  ({ id }) => id,
  "No server runs.",
);

// ---- what events tell

function put(id, text) {
  const place = at(id);
  if (place.textContent !== text) place.textContent = text;
}

let view = null;
let rows = null;

function showView(next) {
  view = next;
  clock = { at: view.at, here: performance.now() };
  const { counts } = view;
  const reallyFailed = counts.failed - counts.cancelled;
  const waiting = counts.remaining - counts.running;
  put("title", view.source.title);
  put("total", whole(counts.total));
  put("succeeded", whole(counts.succeeded));
  put("failed", whole(reallyFailed));
  put("cancelled", whole(counts.cancelled));
  put("running-count", whole(counts.running));
  put("waiting", whole(waiting));
  put("rate", rateOf(view.rate));
  put("left", spanOf(view.secondsLeft));
  put("duration", spanOf(view.duration));
  put("age", spanOf(view.queueAge));
  put("clients-count", whole(view.clientsTotal));
  const executors = view.clients.reduce((sum, client) => sum + (client.executors ?? 0), 0);
  put("executors", view.clients.some((client) => client.executors !== null) ? whole(executors) : "–");
  const parts = { succeeded: counts.succeeded, failed: reallyFailed, cancelled: counts.cancelled, running: counts.running };
  for (const [name, count] of Object.entries(parts))
    at(`bar-${name}`).style.width = counts.total === 0 ? "0" : `${(count / counts.total) * 100}%`;
  const ended = counts.succeeded + counts.failed;
  const percent = counts.total === 0 ? 0 : Math.floor((ended / counts.total) * 100);
  const summary = `${whole(ended)} of ${whole(counts.total)} tasks ended, ${whole(reallyFailed)} failed`;
  const bar = at("bar");
  bar.setAttribute("aria-valuenow", String(percent));
  bar.setAttribute("aria-valuetext", summary);
  document.title = counts.total === 0 ? "hs" : `${percent} % – ${view.source.title}`;
  drawChart(view.throughput);
  showClients(view.clients);
  put("clients-shown", view.clientsTotal > view.clients.length ? `the first ${view.clients.length}` : "");
  showServers(view.servers);
  tellNow(summary);
  setState("live", "Live");
}

/** A screen reader hears of it now and then. */
let toldAt = 0;
function tellNow(summary) {
  if (performance.now() - toldAt < 30000 && toldAt > 0) return;
  toldAt = performance.now();
  put("news", summary);
}

function showRows(next) {
  rows = next;
  if (rows.filter !== filter) return;
  showRunning(rows.running);
  showFailures(rows.failures);
  const hidden = rows.runningTotal - rows.running.length;
  put("running-shown", hidden > 0 ? `the first ${whole(rows.running.length)} of ${whole(rows.runningTotal)}` : "");
}

function drawChart({ ended, failed, intervalMs }) {
  const most = Math.max(1, ...ended);
  const width = 600 / Math.max(1, ended.length);
  const bars = (values) =>
    values
      .map((value, place) => {
        const height = (value / most) * 76;
        return height === 0 ? "" : `M${place * width} 80v${-height}h${width * 0.85}v${height}z`;
      })
      .join("");
  at("chart-ended").setAttribute("d", bars(ended));
  at("chart-failed").setAttribute("d", bars(failed));
  const perSecond = (most * 1000) / intervalMs;
  put("chart-text", `Tasks that ended in the last ${spanOf((ended.length * intervalMs) / 1000)}, at most ${rateOf(perSecond)}; those that failed in red`);
}

function setState(kind, text) {
  at("state").dataset.kind = kind;
  put("state", text);
}

let filter = new URLSearchParams(location.search).get("filter") ?? "";
let source = null;
let again = null;
let heardAt = performance.now();
let isOver = false;

function connect() {
  clearTimeout(again);
  source?.close();
  source = new EventSource(`/events?filter=${encodeURIComponent(filter)}`);
  const heard = (name, action) =>
    source.addEventListener(name, (event) => {
      heardAt = performance.now();
      action(JSON.parse(event.data));
    });
  heard("view", showView);
  heard("rows", showRows);
  heard("trouble", ({ text }) => setState("trouble", text));
  heard("end", ({ why }) => {
    isOver = true;
    source.close();
    setState("trouble", `${why} This page shows how it was.`);
  });
  source.addEventListener("error", () => {
    if (isOver) return;
    source.close();
    setState("trouble", "The server does not answer. The page tries again.");
    again = setTimeout(connect, 2000);
  });
}

setInterval(() => {
  if (isOver || document.hidden) return;
  if (rows !== null && rows.filter === filter) showRows(rows);
  if (performance.now() - heardAt > 10000 && at("state").dataset.kind === "live")
    setState("trouble", "Nothing has been heard for a while.");
}, 1000);

// ---- what people do

const field = at("filter");
field.value = filter;
let typing = null;
function setFilter(text) {
  if (text === filter) return;
  filter = text;
  const url = new URL(location.href);
  if (text === "") url.searchParams.delete("filter");
  else url.searchParams.set("filter", text);
  history.replaceState(null, "", url);
  if (!isOver) connect();
}
field.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => setFilter(field.value), 250);
});
at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  setFilter(field.value);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = document.activeElement === field;
  if (event.key === "/" && !isTyping && !at("panel").open) {
    event.preventDefault();
    field.focus();
  } else if (event.key === "Escape" && isTyping) {
    field.value = "";
    setFilter("");
    field.blur();
  }
});

async function act(action, task, button) {
  const question = action === "cancel" ? "Cancel this task?" : "Run this task again?";
  if (!confirm(`${question}\n\n${task.text}`)) return;
  button.disabled = true;
  try {
    const answer = await fetch("/act", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-HS-Control": control },
      body: JSON.stringify({ action, ids: [task.id] }),
    });
    if (answer.ok) button.textContent = (await answer.json()).changed > 0 ? "Done" : "Too late";
    else alert(await answer.text());
  } catch {
    alert("The server does not answer.");
  }
  button.disabled = false;
}

// ---- the panel with the output of a task

const panel = at("panel");
const shown = at("panel-text");
const mostShown = 1000000;
let reading = null;

function openPanel(task) {
  put("panel-task", task.text);
  panel.showModal();
  read(task, "stdout");
}

function read(task, stream) {
  clearTimeout(reading?.timer);
  const mine = { task, stream, from: -65536, timer: null };
  reading = mine;
  at("panel-stdout").setAttribute("aria-pressed", String(stream === "stdout"));
  at("panel-stderr").setAttribute("aria-pressed", String(stream === "stderr"));
  shown.textContent = "";
  put("panel-state", "Reading");
  void more(mine);
}

async function more(mine) {
  const asked = new URLSearchParams({ id: mine.task.id, stream: mine.stream, from: String(mine.from) });
  let pause = 1000;
  try {
    const answer = await fetch(`/output?${asked}`);
    if (reading !== mine) return;
    if (!answer.ok) return put("panel-state", (await answer.text()).trim());
    const piece = await answer.json();
    if (reading !== mine) return;
    mine.from = piece.next;
    if (piece.text !== "") {
      const isAtEnd = shown.scrollHeight - shown.scrollTop - shown.clientHeight < 40;
      shown.append(piece.text);
      if (shown.textContent.length > mostShown) shown.textContent = shown.textContent.slice(-mostShown);
      if (isAtEnd) shown.scrollTop = shown.scrollHeight;
    }
    if (piece.over && !piece.more) return put("panel-state", shown.textContent === "" ? "It printed nothing." : "It has ended.");
    put("panel-state", "It runs; more is shown as it comes.");
    if (piece.more) pause = 0;
  } catch {
    put("panel-state", "The server does not answer.");
    pause = 3000;
  }
  if (reading === mine) mine.timer = setTimeout(() => void more(mine), pause);
}

at("panel-stdout").addEventListener("click", () => read(reading.task, "stdout"));
at("panel-stderr").addEventListener("click", () => read(reading.task, "stderr"));
at("panel-close").addEventListener("click", () => panel.close());
panel.addEventListener("close", () => {
  clearTimeout(reading?.timer);
  reading = null;
});

connect();
