// What is wrong, shown where it is: the preview (and a refused save) name each problem's path, the row says it.
import { make } from "./dom.js";
import { host } from "./page.js";
import { walk } from "./tree.js";

let found = new WeakMap();
let serial = 0;

// The node that a path speaks of, and what of the node: `items[1].where.stores` is the second item's `where.stores`.
const owner = (root, path) => {
  let best = [root, ""];
  for (const [node, place] of walk(root)) if (path === place || path.startsWith(`${place}.`)) best = [node, place];
  return [best[0], path.slice(best[1].length).replace(/^\./, "")];
};

const read = (element) => [...element.querySelectorAll("[data-problem-path]")].map((one) => ({ path: one.dataset.problemPath, text: one.textContent.trim() }));

// Takes the problems that stand in an element over. `wrapped` says that the criteria sent were one condition without
// the group that the builder drew around it.
export const take = (element, root, wrapped) => {
  found = new WeakMap();
  for (const { path, text } of read(element)) {
    const [node, part] = owner(root, wrapped ? `items[0]${path && "."}${path}` : path);
    found.set(node, [...(found.get(node) ?? []), { part, text }]);
  }
  mark(root);
};

// Control names end where lists begin: a problem of `value[3]` belongs to the chips of `value`.
const control = (path, part) => {
  for (const name of [part, part.replace(/\[\d+\]$/, ""), "field", "op"]) {
    const element = host.querySelector(`[data-at="${CSS.escape(`${path}|${name}`)}"]`);
    if (element) return element;
  }
  return null;
};

export const mark = (root) => {
  for (const old of host.querySelectorAll(".criteria-problem")) old.remove();
  for (const element of host.querySelectorAll("[aria-invalid]")) { element.removeAttribute("aria-invalid"); element.removeAttribute("aria-describedby"); }
  for (const [node, path] of walk(root)) {
    for (const { part, text } of found.get(node) ?? []) {
      const place = host.querySelector(`[data-path="${CSS.escape(path)}"]`);
      const note = make("p", { class: "criteria-problem", id: `criteria-problem-${++serial}`, text });
      const foot = place.querySelector(":scope > .criteria-foot");
      if (foot) foot.before(note); else place.append(note);
      const marked = control(path, part);
      marked?.setAttribute("aria-invalid", "true");
      marked?.setAttribute("aria-describedby", [marked.getAttribute("aria-describedby"), note.id].filter(Boolean).join(" "));
    }
  }
};

// Leads from a problem in the preview to its control.
export const lead = (root, path, wrapped) => {
  const [node, part] = owner(root, wrapped ? `items[0]${path && "."}${path}` : path);
  for (const [one, place] of walk(root)) if (one === node) control(place, part)?.focus();
};
