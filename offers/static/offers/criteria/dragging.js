// Dragging conditions and groups by their handles, with mouse, pen or finger; a bar shows where they would land.
// Whoever cannot drag has the same moves in the menu and on the keys.
import { make } from "./dom.js";

const STARTS_AFTER = 4;
const EDGE = 12;
const SCROLLS_WITHIN = 70;

const parts = (container) => [...container.children].filter((child) => child.matches("[data-path]"));

// Where a point lies: the container of a group's items, and the place among them.
const target = (host, x, y) => {
  const below = document.elementFromPoint(x, y);
  let group = below && host.contains(below) ? below.closest(".criteria-group") : null;
  if (!group) return null;
  // At the rim of a group one means the group around it: between two groups there is little else to aim at.
  const outer = group.parentElement.closest(".criteria-group");
  const rim = group.getBoundingClientRect();
  if (outer && (y - rim.top < EDGE || rim.bottom - y < EDGE)) group = outer;
  const container = group.querySelector(":scope > .criteria-items");
  const place = parts(container).filter((part) => { const box = part.getBoundingClientRect(); return box.top + box.height / 2 < y; }).length;
  return { path: group.dataset.path, container, place };
};

// `drop(path, groupPath, place)` moves; `name(path)` is what floats beside the pointer.
export const dragging = (host, { drop, name }) => {
  const bar = make("div", { class: "criteria-drop", "aria-hidden": "true" });
  let drag = null;

  const end = () => {
    if (!drag) return;
    cancelAnimationFrame(drag.frame);
    bar.remove();
    drag.ghost?.remove();
    drag.row.classList.remove("dragged");
    host.classList.remove("dragging");
    drag = null;
  };
  const aim = () => {
    const found = target(host, drag.x, drag.y);
    // Nothing can land in itself.
    drag.to = found && !drag.row.contains(found.container) ? found : null;
    if (!drag.to) return bar.remove();
    const before = parts(drag.to.container)[drag.to.place] ?? null;
    if (bar.parentElement !== drag.to.container || bar.nextElementSibling !== before) drag.to.container.insertBefore(bar, before);
  };
  const scroll = () => {
    if (!drag) return;
    const by = drag.y < SCROLLS_WITHIN ? -10 : drag.y > innerHeight - SCROLLS_WITHIN ? 10 : 0;
    if (by) { scrollBy(0, by); aim(); }
    drag.frame = requestAnimationFrame(scroll);
  };
  const begin = () => {
    drag.ghost = make("div", { class: "criteria-ghost", text: name(drag.path), "aria-hidden": "true" });
    document.body.append(drag.ghost);
    drag.row.classList.add("dragged");
    host.classList.add("dragging");
    scroll();
  };

  host.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest(".criteria-handle");
    if (!handle || event.button !== 0) return;
    const row = handle.closest("[data-path]");
    drag = { row, path: row.dataset.path, from: [event.clientX, event.clientY], x: event.clientX, y: event.clientY };
    handle.setPointerCapture(event.pointerId);
  });
  host.addEventListener("pointermove", (event) => {
    if (!drag) return;
    [drag.x, drag.y] = [event.clientX, event.clientY];
    if (!drag.ghost && Math.hypot(drag.x - drag.from[0], drag.y - drag.from[1]) < STARTS_AFTER) return;
    if (!drag.ghost) begin();
    drag.ghost.style.transform = `translate(${drag.x + 14}px, ${drag.y + 10}px)`;
    aim();
  });
  host.addEventListener("pointerup", () => {
    const { path, to, ghost } = drag ?? {};
    end();
    if (ghost && to) drop(path, to.path, to.place);
  });
  host.addEventListener("pointercancel", end);
  document.addEventListener("keydown", (event) => { if (drag?.ghost && event.key === "Escape") { event.preventDefault(); end(); } });
};
