// The kinds of conditions, one entry each: what it looks like as JSON, what it is called in the list of fields, how a
// new one starts, and its controls. To add a kind, add an entry; the last one takes whatever no other knows.
import { combobox } from "./combobox.js";
import { make, soft } from "./dom.js";
import { about, fields, measures, subjects, words } from "./page.js";
import { narrowing } from "./narrowing.js";
import { nameOf, suggest } from "./suggestions.js";
import { operatorSelect, plain, text, valueControls } from "./values.js";

const subjectOf = (node) => about.subjects.find(({ key }) => key in node)?.key;

// One saved thing, found by its name: `key` is the node's key and what suggestions are asked for.
const picked = (cell, key, label) => combobox({
  label, text: cell.node[key] == null ? "" : nameOf(key, cell.node[key]), find: suggest(key), wait: 120, first: true,
  choose: (option) => cell.change(() => { cell.node[key] = Number(option.value); }),
  attributes: { "data-at": cell.at(key) },
});

const aField = {
  is: (node) => "field" in node,
  chosen: (node) => node.field,
  groups: () => about.groups.map((group) => ({ label: group.label, options: group.fields.map((field) => ({ value: field.key, text: field.label, hint: field.key })) })),
  blank: (key) => {
    const field = fields.get(key);
    if (!field) return null;
    const [is] = field.operators;
    return { field: key, is, value: field.type === "boolean" ? true : about.with_list.includes(is) ? [] : null };
  },
  controls: (cell) => {
    const field = fields.get(cell.node.field);
    return field ? [operatorSelect(cell, field), ...valueControls(cell, field, field)] : [];
  },
};

const aHistory = {
  is: (node) => subjectOf(node) !== undefined,
  chosen: (node) => `${subjectOf(node)}:${node[subjectOf(node)]}`,
  groups: () => about.subjects.map((subject) => ({
    label: subject.label, options: subject.measures.map((one) => ({ value: `${subject.key}:${one.key}`, text: one.label, hint: `${subject.key}.${one.key}` })),
  })),
  blank: (key) => {
    const measure = measures.get(key);
    if (!measure) return null;
    const [subject, name] = key.split(":");
    const is = measure.operators.includes("greater_or_equal") ? "greater_or_equal" : measure.operators[0];
    return { [subject]: name, is, value: measure.type === "number" ? 1 : null };
  },
  controls: (cell) => {
    const subject = subjectOf(cell.node);
    const measure = measures.get(`${subject}:${cell.node[subject]}`);
    return measure ? [operatorSelect(cell, measure), ...valueControls(cell, measure), narrowing(cell, subjects.get(subject))] : [];
  },
  // Another measure of the same part of the history keeps what it was narrowed to.
  kept: (node) => (node.where ? { where: node.where } : {}),
};

const aTargeting = {
  is: (node) => "targeting" in node,
  chosen: () => "targeting",
  groups: () => [{ label: words.more, options: [{ value: "targeting", text: words.targeting, hint: "targeting" }] }],
  blank: (key) => (key === "targeting" ? { targeting: null } : null),
  controls: (cell) => [picked(cell, "targeting", words.targeting_name)],
};

const aList = {
  is: (node) => "list" in node,
  chosen: () => "list",
  groups: () => [{ label: words.more, options: [{ value: "list", text: words.list, hint: "list" }] }],
  blank: (key) => (key === "list" ? { list: null } : null),
  controls: (cell) => [picked(cell, "list", words.list_name)],
};

const aShare = {
  is: (node) => "random_percent" in node,
  chosen: () => "random_percent",
  groups: () => [{ label: words.more, options: [{ value: "random_percent", text: words.share, hint: "random_percent" }] }],
  blank: (key) => (key === "random_percent" ? { random_percent: 10, key: "" } : null),
  controls: (cell) => [
    ...plain(cell, "random_percent", { type: "number", value: cell.node.random_percent, label: words.percent, put: (value) => cell.put(() => { cell.node.random_percent = value; }, "random_percent") }),
    soft(`%, ${words.key}`),
    ...text(cell, "key", { key: "campaigns", value: cell.node.key, label: words.key, put: (value) => cell.put(() => { cell.node.key = value ?? ""; }, "key") }),
  ],
};

// Not made here: shown as it is, so that nothing is lost that a later version or another programme wrote.
const anything = {
  is: () => true,
  chosen: () => "",
  groups: () => [],
  blank: () => null,
  controls: (cell) => [make("code", { class: "criteria-unknown", text: JSON.stringify(cell.node) })],
};

const kinds = [aField, aHistory, aTargeting, aList, aShare, anything];
const kindOf = (node) => kinds.find((kind) => kind.is(node));

// Groups of one name are one group: several kinds may stand under "More".
const choices = (() => {
  const found = new Map();
  for (const { label, options } of kinds.flatMap((kind) => kind.groups())) found.set(label, [...(found.get(label) ?? []), ...options]);
  return [...found].map(([label, options]) => ({ label, options }));
})();
const labels = new Map(choices.flatMap(({ options }) => options.map((option) => [option.value, option.text])));

// Each word must stand in the label, the key or the group; what begins with the text comes first.
const find = (chosen) => (given) => {
  const wanted = given.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (label, option) => { const known = `${option.text} ${option.hint} ${label}`.toLowerCase(); return wanted.every((word) => known.includes(word)); };
  return choices.map(({ label, options }) => ({
    label, options: options.filter((option) => fits(label, option)).map((option) => ({ ...option, isCurrent: option.value === chosen })),
  }));
};

export const blank = (key) => { for (const kind of kinds) { const node = kind.blank(key); if (node) return node; } return { field: key }; };
export const labelOf = (node) => labels.get(kindOf(node).chosen(node)) ?? "";

// The field of a condition, and whatever belongs to it.
export const leaf = (cell) => {
  const { node } = cell;
  const kind = kindOf(node);
  const chosen = kind.chosen(node);
  const field = combobox({
    label: words.field, text: labels.get(chosen) ?? chosen ?? "", placeholder: words.search_field, find: find(chosen), first: true,
    choose: ({ value }) => {
      if (value === chosen) return;
      const next = blank(value);
      const kept = kind.kept && subjectOf(next) === subjectOf(node) ? kind.kept(node) : {};
      cell.focus("is", value, "random_percent", "field");
      cell.replace({ ...next, ...kept });
    },
    attributes: { "data-at": cell.at("field") },
  });
  field.classList.add("criteria-what");
  return [field, ...kind.controls(cell)];
};
