// What the page says about itself: the builder's place, the catalogue of what criteria may speak of, names, words.
const read = (id) => JSON.parse(document.getElementById(id).textContent);

export const host = document.getElementById("builder");
export const source = document.getElementById("criteria");
export const about = read("criteria-description");
// `dimension:id` -> name, filled in as more are learnt.
export const names = read("criteria-names");
export const words = read("criteria-words");

export const fields = new Map(about.groups.flatMap((group) => group.fields).map((field) => [field.key, field]));
export const subjects = new Map(about.subjects.map((subject) => [subject.key, subject]));
export const measures = new Map(
  about.subjects.flatMap((subject) => subject.measures.map((measure) => [`${subject.key}:${measure.key}`, measure])),
);

// Whether the tree is being drawn: fields that disappear meanwhile say nothing.
export const drawing = { now: false };

// Fills in `{name}` of a sentence: say(words.moved, { name: "City" }).
export const say = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
// The page's one live region reads it out.
export const announce = (text) => document.dispatchEvent(new CustomEvent("laurel:announce", { detail: { text } }));
