// The builder of criteria. The textarea of JSON stays the truth: the builder reads it, draws it as nested groups and
// writes it back on each change; without scripts the textarea alone works.
import { button, iconButton, make, menu, select } from "./dom.js";
import { dragging } from "./dragging.js";
import { blank, labelOf, leaf } from "./leaves.js";
import { about, announce, drawing, host, say, source, words } from "./page.js";
import { Past } from "./past.js";
import * as problems from "./problems.js";
import { learn } from "./suggestions.js";
import * as tree from "./tree.js";

const NOTHING = { op: "and", items: [] };
let root = structuredClone(NOTHING);
// One condition alone gets a group around it here, and only a change writes that.
let wrapped = false;
let past = null;
let focusNext = [];

// --- Reading and writing ------------------------------------------------------------------------------------------------
const text = () => JSON.stringify(root, null, 2);
const tools = document.getElementById("criteria-tools");
const tell = () => document.body.dispatchEvent(new CustomEvent("criteria-changed"));
const showTools = () => {
  for (const element of tools?.querySelectorAll("[data-criteria]") ?? []) {
    if (element.dataset.criteria === "undo") element.disabled = !past.canUndo;
    if (element.dataset.criteria === "redo") element.disabled = !past.canRedo;
  }
  const copy = document.querySelector("[data-criteria-copy]");
  if (copy) copy.dataset.copy = source.value;
};
const write = (key = null) => {
  const now = text();
  past.note(now, key);
  wrapped = false;
  showTools();
  if (source.value === now) return;
  source.value = now;
  tell();
};
const change = (act) => { act(); draw(); write(); };
const load = (given) => {
  // Anything but objects is no condition; the preview says what it is.
  for (const [node] of tree.walk(given)) if (node === null || typeof node !== "object" || Array.isArray(node)) throw new TypeError("not a condition");
  const isGroup = tree.isGroup(given);
  root = isGroup ? given : { op: "and", items: [given] };
  wrapped = !isGroup;
};

// Ids that came as JSON have names too.
const learnNames = async () => {
  const asked = new Map();
  for (const [node] of tree.walk(root)) {
    for (const key of ["targeting", "list"]) if (typeof node[key] === "number") asked.set(key, [...(asked.get(key) ?? []), node[key]]);
    for (const [key, ids] of Object.entries(node.where ?? {})) if (Array.isArray(ids) && ids.length) asked.set(key, [...(asked.get(key) ?? []), ...ids]);
  }
  const learnt = await Promise.all([...asked].map(([key, ids]) => learn(key, ids)));
  if (learnt.some(Boolean)) draw();
};

// --- What can be done with a condition or a group -----------------------------------------------------------------------
const nameOf = (node) => (tree.isGroup(node) ? say(words.group_named, { number: tree.numberOf(tree.pathOf(root, node)) }) : labelOf(node) || words.condition);
const focusOn = (node, ...controls) => { focusNext = controls.map((control) => [node, control]); };

const told = (node) => {
  const { parent, place } = tree.parentOf(root, node);
  const number = tree.numberOf(tree.pathOf(root, parent));
  announce(say(number ? words.moved : words.moved_outermost, { name: nameOf(node), place: place + 1, count: parent.items.length, group: number }));
};
const moveTo = (node, parent, place) => {
  if (!tree.move(root, node, parent, place)) return;
  focusOn(node, "move");
  draw();
  write();
  told(node);
};
const step = (node, way) => {
  const to = tree.steps[way](root, node);
  if (to) moveTo(node, ...to); else announce(words[`cannot_${way}`]);
};
const duplicate = (node) => change(() => { focusOn(tree.duplicate(root, node), "move"); announce(say(words.duplicated, { name: nameOf(node) })); });
const remove = (node) => change(() => {
  const { parent, place } = tree.parentOf(root, node);
  announce(say(words.removed, { name: nameOf(node) }));
  tree.remove(root, node);
  const next = parent.items[place] ?? parent.items[place - 1];
  if (next) focusOn(next, "move"); else focusOn(parent, "add");
});
const turn = (node) => change(() => { focusOn(tree.turn(root, node, about.complements), "menu"); });
const acts = (node) => {
  const can = (way) => Boolean(tree.steps[way](root, node));
  const isGroup = tree.isGroup(node);
  return [
    ["refresh", words.turn, () => turn(node)],
    ...(isGroup ? [["packages", words.dissolve, () => change(() => { const [first] = node.items; const { parent } = tree.parentOf(root, node); tree.dissolve(root, node); if (first) focusOn(first, "move"); else focusOn(parent, "add"); })]] : []),
    ["stack-2", words.wrap, () => change(() => { tree.wrap(root, node); focusOn(node, "move"); })],
    ["arrow-up", words.up, () => step(node, "up"), !can("up")],
    ["arrow-down", words.down, () => step(node, "down"), !can("down")],
    ["arrow-right", words.into, () => step(node, "into"), !can("into")],
    ["arrow-left", words.out, () => step(node, "out"), !can("out")],
  ];
};

// --- Drawing ------------------------------------------------------------------------------------------------------------
const cellOf = (node, path) => ({
  node,
  at: (control) => `${path}|${control}`,
  // With a new drawing; `put` is for what is being typed, which must not be taken away.
  change,
  put: (act, control) => { act(); write(`${path}|${control}`); },
  replace: (other) => { const controls = focusNext.map(([, control]) => control); tree.replace(root, node, other); focusOn(other, ...controls); draw(); write(); },
  focus: (...controls) => focusOn(node, ...controls),
});
const handle = (node, cell) => iconButton("menu-2", say(words.move, { name: nameOf(node) }), () => announce(words.how_to_move), {
  class: "btn btn-quiet btn-sm criteria-handle", "data-at": cell.at("move"), "aria-keyshortcuts": "Alt+ArrowUp Alt+ArrowDown Alt+ArrowLeft Alt+ArrowRight", title: words.how_to_move,
});
const side = (node, cell) => make("span", { class: "criteria-side" }, [
  iconButton("copy", say(words.duplicate_one, { name: nameOf(node) }), () => duplicate(node), { class: "btn btn-quiet btn-sm" }),
  iconButton("x", say(words.remove_one, { name: nameOf(node) }), () => remove(node), { class: "btn btn-quiet btn-sm" }),
  menu(say(words.more_acts, { name: nameOf(node) }), acts(node), { "data-at": cell.at("menu") }),
]);
const condition = (node, path) => {
  const cell = cellOf(node, path);
  return make("div", { class: "criteria-row", role: "group", "aria-label": `${words.condition} ${tree.numberOf(path)}`, "data-path": path }, [
    handle(node, cell), make("div", { class: "criteria-body" }, leaf(cell)), side(node, cell),
  ]);
};
const JOINS = [["and", false, words.all], ["or", false, words.any], ["or", true, words.none], ["and", true, words.not_all]];
const group = (node, path) => {
  const cell = cellOf(node, path);
  const isRoot = node === root;
  const join = (value) => change(() => {
    const [op, not] = JOINS[Number(value)];
    delete node.all_members;
    node.op = op;
    if (not) node.not = true; else delete node.not;
  });
  const joined = JOINS.findIndex(([op, not]) => op === node.op && not === Boolean(node.not));
  const number = tree.numberOf(path);
  const add = (item, ...controls) => change(() => { tree.insert(node, node.items.length, item); focusOn(item, ...controls); });
  const items = node.items.map((item, place) => (tree.isGroup(item) ? group : condition)(item, tree.under(path, place)));
  return make("fieldset", { class: "criteria-group", "data-path": path }, [
    make("legend", { class: "visually-hidden", text: number ? say(words.group_named, { number }) : words.outermost }),
    make("div", { class: "criteria-head" }, [
      isRoot ? null : handle(node, cell),
      select(words.join, JOINS.map(([, , label], place) => [String(place), label]), String(joined), join, { "data-at": cell.at("op") }),
      isRoot ? null : side(node, cell),
    ]),
    make("div", { class: "criteria-items" }, items.length ? items : [make("p", { class: "criteria-empty", text: node.all_members ? words.all_members : isRoot ? words.empty : words.empty_group })]),
    make("div", { class: "criteria-foot" }, [
      button(`+ ${words.condition}`, () => add({ field: "" }, "field"), { "data-at": cell.at("add") }),
      button(`+ ${words.purchases}`, () => add({ ...blank("purchases:amount"), value: null, where: { last_days: 90 } }, "value")),
      button(`+ ${words.offers}`, () => add(blank("assignments:count"), "is")),
      button(`+ ${words.group}`, () => { const inner = { field: "" }; change(() => { tree.insert(node, node.items.length, { op: tree.otherwise(node.op), items: [inner] }); focusOn(inner, "field"); }); }),
      !isRoot || node.items.length || node.all_members ? null : button(words.everyone, () => change(() => { root = { ...NOTHING, items: [], all_members: true }; })),
    ]),
  ]);
};
const control = (node, name) => { const path = tree.pathOf(root, node); return path === null ? null : host.querySelector(`[data-at="${CSS.escape(`${path}|${name}`)}"]`); };
const draw = () => {
  const before = document.activeElement?.closest?.("#builder [data-at]")?.dataset.at;
  const wanted = focusNext;
  focusNext = [];
  drawing.now = true;
  host.replaceChildren(group(root, ""));
  drawing.now = false;
  problems.mark(root);
  // The same control has the focus again, or the one that was meant, so that the keyboard can go on.
  const next = wanted.map(([node, name]) => control(node, name)).find(Boolean)
    ?? (before && host.querySelector(`[data-at="${CSS.escape(before)}"]`));
  next?.focus();
};

// --- Undo, keys, dragging -----------------------------------------------------------------------------------------------
const travel = (by) => {
  const state = past.step(by);
  if (state === null) return announce(by < 0 ? words.nothing_to_undo : words.nothing_to_redo);
  root = JSON.parse(state);
  source.value = state;
  wrapped = false;
  draw();
  showTools();
  tell();
  announce(by < 0 ? words.undone : words.redone);
};
const TYPED = "input:not([type=checkbox], [type=radio], [type=button]), textarea, select";
const WAYS = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "out", ArrowRight: "into" };
document.addEventListener("keydown", (event) => {
  if (event.target.matches?.(TYPED) || document.querySelector("dialog[open]")) return;
  const isZ = event.key.toLowerCase() === "z";
  if ((event.ctrlKey || event.metaKey) && !event.altKey && (isZ || event.key.toLowerCase() === "y")) {
    event.preventDefault();
    travel(isZ && !event.shiftKey ? -1 : 1);
  } else if (event.altKey && WAYS[event.key]) {
    const node = tree.at(root, event.target.closest?.("#builder [data-path]")?.dataset.path ?? "");
    if (!node || node === root) return;
    event.preventDefault();
    step(node, WAYS[event.key]);
  }
});
host.addEventListener("focusin", () => past.pause());
dragging(host, {
  name: (path) => nameOf(tree.at(root, path)),
  drop: (path, groupPath, place) => moveTo(tree.at(root, path), tree.at(root, groupPath), place),
});

// --- The page around ----------------------------------------------------------------------------------------------------
tools?.addEventListener("click", (event) => {
  const act = event.target.closest("[data-criteria]")?.dataset.criteria;
  if (act === "undo") travel(-1);
  if (act === "redo") travel(1);
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-criteria-download]")) {
    const address = URL.createObjectURL(new Blob([`${source.value}\n`], { type: "application/json" }));
    make("a", { href: address, download: "criteria.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
  const problem = event.target.closest("[data-problem-path]");
  if (problem) problems.lead(root, problem.dataset.problemPath, wrapped);
});
document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "preview") problems.take(event.detail.target, root, wrapped); });
const take = (key = null) => {
  try { load(JSON.parse(source.value)); } catch { return tell(); }
  draw();
  past.note(text(), key);
  showTools();
  tell();
  learnNames();
};
// What is typed letter by letter is one change; what is pasted is one each.
source.addEventListener("input", (event) => take(event.data?.length === 1 ? "json" : null));

// What was built is not lost by a slip.
let isSent = false;
source.form?.addEventListener("submit", () => { isSent = true; });
// After Back or a reload the browser puts what was typed before into the textarea, once this script has read it: what is
// drawn has to be what would be sent.
const readFirst = source.value;
addEventListener("pageshow", () => {
  isSent = false;
  if (source.value !== readFirst) take();
});
addEventListener("beforeunload", (event) => { if (!isSent && source.value !== source.defaultValue) event.preventDefault(); });

try { load(JSON.parse(source.value)); } catch { /* what was typed is not JSON; the page says so */ }
past = new Past(text());
draw();
showTools();
const refused = document.querySelector("[data-problems]");
if (refused) problems.take(refused, root, wrapped);
learnNames();
