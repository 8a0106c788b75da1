// The controls of a value, by its type and by what the operator takes.
import { chips } from "./chips.js";
import { combobox } from "./combobox.js";
import { make, select, soft } from "./dom.js";
import { about, words } from "./page.js";
import { suggest } from "./suggestions.js";

// As loyalty/money.py reads it. What has decimals beyond the currency's, or may mean thousands, stays as it was typed:
// the server refuses it with a sentence that stands beside the control.
const toMinor = (text) => {
  const [, sign, whole, decimals = ""] = /^(-?)(\d*)(?:\.(\d*))?$/.exec(text) ?? [];
  if (whole === undefined) return text;
  const beyond = decimals.slice(about.minor_digits);
  const mayBeThousands = decimals.length === 3 && /^[1-9]\d{0,2}$/.test(whole);
  if (/[1-9]/.test(beyond) || (beyond && mayBeThousands)) return text;
  return Number(`${sign}${whole || "0"}${decimals.slice(0, about.minor_digits).padEnd(about.minor_digits, "0")}`);
};
const toMajor = (minor) => (typeof minor === "number" ? (minor / 10 ** about.minor_digits).toFixed(about.minor_digits) : minor ?? "");
export const read = (type, text) => {
  if (text === "") return null;
  if (type === "money") return toMinor(text);
  return type === "number" && !Number.isNaN(Number(text)) ? Number(text) : text;
};

// A number, an amount of money, or a day. `put` takes the value at each key.
export const plain = (cell, control, { type, value, put, label = words.value, unit = "" }) => {
  const isDay = type === "date" || type === "moment";
  const input = make("input", {
    class: `form-control ${isDay ? "criteria-day" : "criteria-number"}`, type: isDay ? "date" : "number",
    step: type === "money" ? 10 ** -about.minor_digits : "any", value: type === "money" ? toMajor(value) : value ?? "",
    "aria-label": unit ? `${label} (${unit})` : label, "data-at": cell.at(control),
    on: { input: () => put(read(type, input.value)) },
  });
  return unit ? [input, soft(unit)] : [input];
};

// One of many, found by typing; any text may be given.
export const text = (cell, control, { key, value, put, label = words.value }) => [combobox({
  label, text: value ?? "", find: suggest(key), wait: 120, first: false,
  typed: (given) => put(given || null), choose: (option) => put(option.value), free: (given) => put(given || null),
  attributes: { "data-at": cell.at(control) },
})];

const one = (cell, control, { type, field, value, put }) => {
  const place = { "data-at": cell.at(control) };
  if (type === "boolean") return [select(words.value, [["true", words.yes], ["false", words.no]], String(value ?? true), (given) => put(given === "true"), place)];
  if (type === "choice") return [select(words.value, [["", words.choose], ...field.choices], value ?? "", (given) => put(given || null), place)];
  if (type === "text" || type === "list") return text(cell, control, { key: field.key, value, put });
  return plain(cell, control, { type, value, put, unit: type === "money" ? about.currency : "" });
};

const several = (cell, { type, field, node }) => {
  const values = Array.isArray(node.value) ? node.value : [];
  const shared = { label: words.values, values, put: (all) => cell.change(() => { node.value = all; }), attributes: { "data-at": cell.at("value") } };
  if (type === "choice") {
    const labels = new Map(field.choices);
    const options = () => field.choices.filter(([value]) => !values.includes(value)).map(([value, label]) => ({ value, text: label }));
    const find = (given) => [{ label: "", options: options().filter((option) => option.text.toLowerCase().includes(given.toLowerCase())) }];
    return [chips({ ...shared, nameOf: (value) => labels.get(value) ?? value, find, wait: 0 })];
  }
  if (type === "number") return [chips({ ...shared, nameOf: String, find: () => [], read: (given) => read("number", given), wait: 0, attributes: { ...shared.attributes, inputmode: "decimal" } })];
  return [chips({ ...shared, nameOf: String, find: suggest(field.key, () => values), read: (given) => given, first: false })];
};

// `known` is the field, or the measure, that is compared.
export const valueControls = (cell, known, field = null) => {
  const { node } = cell;
  const { type } = known;
  const put = (value) => cell.put(() => { node.value = value; }, "value");
  if (about.without_value.includes(node.is)) return [];
  if (about.with_days.includes(node.is)) return plain(cell, "value", { type: "number", value: node.value, put, unit: words.days });
  if (about.with_list.includes(node.is)) return several(cell, { type, field, node });
  if (node.is === "between") {
    const end = (place) => (value) => cell.put(() => {
      const pair = Array.isArray(node.value) ? [...node.value] : [null, null];
      pair[place] = value;
      node.value = pair;
    }, `value[${place}]`);
    const given = Array.isArray(node.value) ? node.value : [null, null];
    return [
      ...one(cell, "value[0]", { type, field, value: given[0], put: end(0) }), soft(words.and),
      ...one(cell, "value[1]", { type, field, value: given[1], put: end(1) }),
    ];
  }
  return one(cell, "value", { type, field, value: node.value, put });
};

// A value keeps its meaning only between operators that take the same shape.
const shape = (operator) => (operator === "between" ? "between" : ["without_value", "with_list", "with_days"].find((keys) => about[keys].includes(operator)) ?? "one");
export const operatorSelect = (cell, known) => select(
  words.operator, known.operators.map((key) => [key, about.operators[key]]), cell.node.is,
  (key) => cell.change(() => {
    const { node } = cell;
    const [before, after] = [shape(node.is), shape(key)];
    node.is = key;
    if (after === "without_value") delete node.value;
    else if (before === "one" && after === "with_list") node.value = node.value == null ? [] : [node.value];
    else if (before === "with_list" && after === "one") node.value = node.value?.[0] ?? null;
    else if (before !== after) node.value = after === "with_list" ? [] : null;
  }),
  { "data-at": cell.at("is") },
);
