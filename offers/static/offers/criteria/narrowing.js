// What of a member's history counts: any number of dimensions at once, and a period by days or by dates.
import { chips } from "./chips.js";
import { iconButton, make, select, soft } from "./dom.js";
import { say, words } from "./page.js";
import { nameOf, suggest } from "./suggestions.js";
import { plain } from "./values.js";

const DATES = ["from", "to"];

// An empty `where` says nothing and is left out.
const tidy = (node) => { if (node.where && !Object.keys(node.where).length) delete node.where; };
const within = (cell, act) => cell.change(() => { cell.node.where ??= {}; act(cell.node.where); tidy(cell.node); });

const dimensionLine = (cell, dimension, ids) => make("div", { class: "criteria-narrow" }, [
  make("span", { class: "criteria-narrow-label", text: say(words.only_of, { name: dimension.label }) }),
  chips({
    label: say(words.only_of, { name: dimension.label }), values: ids, nameOf: (id) => nameOf(dimension.key, id),
    find: suggest(dimension.key, () => ids), read: (text) => text,
    put: (all) => within(cell, (where) => { where[dimension.key] = all; }),
    attributes: { "data-at": cell.at(`where.${dimension.key}`) },
  }),
  iconButton("x", say(words.remove_one, { name: dimension.label }), () => { cell.focus("where", "where.period"); within(cell, (where) => { delete where[dimension.key]; }); }, { class: "btn btn-quiet btn-sm" }),
]);

const period = (cell, where) => {
  const kind = "last_days" in where ? "last" : DATES.some((key) => key in where) ? "dates" : "";
  const chosen = (key) => within(cell, (given) => {
    for (const one of ["last_days", ...DATES]) delete given[one];
    if (key === "last") given.last_days = 90;
    if (key === "dates") given.from = null;
  });
  const put = (key, keeps) => (value) => cell.put(() => {
    cell.node.where[key] = value;
    if (value === null && !keeps) delete cell.node.where[key];
    if (kind === "dates" && !DATES.some((one) => one in cell.node.where)) cell.node.where.from = null;
  }, `where.${key}`);
  const controls = [select(words.period, [["", words.ever], ["last", words.last], ["dates", words.dates]], kind, chosen, { "data-at": cell.at("where.period") })];
  if (kind === "last") controls.push(...plain(cell, "where.last_days", { type: "number", value: where.last_days, put: put("last_days", true), unit: words.days }));
  if (kind === "dates") {
    controls.push(
      soft(words.from), ...plain(cell, "where.from", { type: "date", value: where.from, put: put("from"), label: words.from }),
      soft(words.until), ...plain(cell, "where.to", { type: "date", value: where.to, put: put("to"), label: words.until }),
    );
  }
  return make("div", { class: "criteria-narrow" }, controls);
};

export const narrowing = (cell, subject) => {
  const where = cell.node.where ?? {};
  const used = subject.dimensions.filter(({ key }) => key in where);
  const unused = subject.dimensions.filter(({ key }) => !(key in where));
  const add = (key) => { cell.focus(`where.${key}`); within(cell, (given) => { given[key] = []; }); };
  const last = period(cell, where);
  if (unused.length) {
    last.append(select(words.narrow, [["", words.narrow], ...unused.map(({ key, label }) => [key, label])], "", add, { class: "form-select criteria-add", "data-at": cell.at("where") }));
  }
  return make("div", { class: "criteria-where" }, [
    ...used.map((dimension) => dimensionLine(cell, dimension, Array.isArray(where[dimension.key]) ? where[dimension.key] : [])),
    last,
  ]);
};
