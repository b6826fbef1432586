"use strict";
// Zooms all charts over time together: by buttons, keys, the wheel with Ctrl, two fingers, and dragging.
(() => {
  const root = document.querySelector(".timelines");
  const bar = document.querySelector(".zoom");
  if (root === null || bar === null) return;
  const axis = JSON.parse(root.dataset.axis);
  const frames = [...root.querySelectorAll("svg.timed")];
  const ticks = [...root.querySelectorAll("g[data-axis]")];
  const width = 10000;
  let from = 0;
  let to = 1;
  bar.hidden = false;
  root.classList.add("zoomable");

  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
    [1, 2, 5, 10, 15, 30].map((n) => n * 1e3),
    [1, 2, 5, 10, 15, 30].map((n) => n * 6e4),
    [1, 2, 3, 6, 12].map((n) => n * 36e5),
    [1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * 864e5),
  );
  // All pieces that are not cut have one scale; the longest tells it best.
  const [, scale] = axis.reduce(
    ([most, ms], [t0, t1, p0, p1, isCut]) => (!isCut && p1 - p0 > most ? [p1 - p0, (t1 - t0) / (p1 - p0)] : [most, ms]),
    [0, 1],
  );
  /** Round local times in what is seen of the axis, as [place, label]. */
  const marks = () => {
    const found = [];
    let day = "";
    for (const [t0, t1, p0, p1, isCut, offset] of axis) {
      const start = Math.max(p0, from);
      const end = Math.min(p1, to);
      if (isCut || end <= start) continue;
      const perPlace = (t1 - t0) / (p1 - p0);
      const rough = (scale * (to - from)) / Math.max(2, Math.min(8, root.clientWidth / 110));
      const span = steps.find((each) => each >= rough) ?? 864e6;
      const ahead = offset * 6e4;
      const first = t0 + (start - p0) * perPlace;
      const last = t0 + (end - p0) * perPlace;
      for (let at = Math.ceil((first + ahead) / span) * span - ahead; at <= last; at += span) {
        const text = new Date(at + ahead).toISOString();
        const date = text.slice(5, 10);
        const time = text.slice(11, span < 1e3 ? 23 : span < 6e4 ? 19 : 16);
        const label = span >= 864e5 ? date : date !== day && day !== "" ? date + " " + time : time;
        day = date;
        found.push([(p0 + (at - t0) / perPlace - from) / (to - from), label]);
      }
    }
    return found;
  };
  const element = (name, values) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in values) made.setAttribute(key, values[key]);
    return made;
  };
  let isDue = false;
  const draw = () => {
    isDue = false;
    for (const frame of frames) {
      frame.setAttribute("viewBox", [from * width, 0, (to - from) * width, frame.viewBox.baseVal.height].join(" "));
    }
    const found = marks();
    const narrow = 90 / Math.max(1, root.clientWidth);
    for (const group of ticks) {
      const y = Number(group.dataset.axis);
      let last = -1;
      const made = [];
      for (const [place, label] of found) {
        if (place < 0 || place > 1 || place - last < narrow) continue;
        last = place;
        const x = place * 100 + "%";
        const anchor = place < 0.03 ? "start" : place > 0.97 ? "end" : "middle";
        const text = element("text", { x, y: y + 14, "text-anchor": anchor });
        text.textContent = label;
        if (y > 0) made.push(element("line", { x1: x, x2: x, y1: y, y2: y + 4 }));
        made.push(text);
      }
      group.replaceChildren(...made);
    }
    root.classList.toggle("zoomed", to - from < 1);
  };
  /** Shows a part of the axis, as long as there is that much of it. */
  const show = (start, length) => {
    const kept = Math.min(1, Math.max(1e-6, length));
    from = Math.min(1 - kept, Math.max(0, start));
    to = from + kept;
    if (!isDue) requestAnimationFrame(draw);
    isDue = true;
  };
  /** Makes it `factor` times as large; what is at `place` (0 to 1 of the frame) stays there. */
  const zoom = (factor, place) => {
    const length = Math.min(1, Math.max(1e-6, (to - from) / factor));
    show(from + place * (to - from - length), length);
  };
  const move = (share) => show(from + share * (to - from), to - from);
  // Of an element of SVG within another one a browser would tell where its picture is, not its frame.
  const boxOf = () => frames[0].parentNode.getBoundingClientRect();
  const placeIn = (x) => {
    const box = boxOf();
    return Math.min(1, Math.max(0, (x - box.left) / box.width));
  };

  const acts = {
    in: () => zoom(2, 0.5),
    out: () => zoom(0.5, 0.5),
    all: () => show(0, 1),
  };
  bar.addEventListener("click", ({ target }) => acts[target.dataset.zoom]?.());
  const keys = {
    "+": acts.in,
    "=": acts.in,
    "-": acts.out,
    0: acts.all,
    ArrowLeft: () => move(-0.2),
    ArrowRight: () => move(0.2),
  };
  const areas = [...root.querySelectorAll(".band > svg, svg.chart")];
  root.tabIndex = 0;
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  const fingers = new Map();
  let spread = 0;
  for (const each of areas) {
    if (each.querySelector(".timed") === null) continue;
    each.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / (event.deltaMode === 0 ? 300 : 10)), placeIn(event.clientX));
    }, { passive: false });
    each.addEventListener("dblclick", (event) => {
      event.preventDefault();
      zoom(event.shiftKey ? 0.5 : 2, placeIn(event.clientX));
    });
    each.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, event.clientX);
      if (event.pointerType === "mouse" && event.button !== 0) fingers.delete(event.pointerId);
      else each.setPointerCapture(event.pointerId);
      spread = distance();
    });
    each.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (before === undefined) return;
      fingers.set(event.pointerId, event.clientX);
      if (fingers.size === 1) {
        move((before - event.clientX) / boxOf().width);
        return;
      }
      const now = distance();
      if (spread > 20 && now > 20) zoom(now / spread, placeIn(middle()));
      spread = now;
    });
    for (const name of ["pointerup", "pointercancel"]) {
      each.addEventListener(name, (event) => {
        fingers.delete(event.pointerId);
        spread = distance();
      });
    }
  }
  const distance = () => {
    const [one, other] = [...fingers.values()];
    return other === undefined ? 0 : Math.abs(one - other);
  };
  const middle = () => {
    const [one, other] = [...fingers.values()];
    return (one + other) / 2;
  };
  addEventListener("beforeprint", () => {
    show(0, 1);
    draw();
  });
  addEventListener("resize", () => show(from, to - from));
  draw();
})();
