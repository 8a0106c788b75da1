// Values from real data: asked for once, and their names kept.
import { host, names } from "./page.js";

const answers = new Map();

const ask = async (parameters) => {
  const address = `${host.dataset.values}?${new URLSearchParams(parameters)}`;
  if (!answers.has(address)) {
    const answer = fetch(address, { headers: { Accept: "application/json" } })
      .then((response) => (response.ok ? response.json() : { results: [] }))
      // Without an answer there is nothing to suggest; whatever is typed counts.
      .catch(() => { answers.delete(address); return { results: [] }; });
    answers.set(address, answer);
  }
  return (await answers.get(address)).results;
};

// Suggests values for `key` (a field or a dimension), leaving out those that were chosen.
export const suggest = (key, chosen = () => []) => async (text) => {
  const results = await ask({ key, q: text });
  for (const { id, name } of results) if (name) names[`${key}:${id}`] = name;
  const taken = new Set(chosen().map(String));
  return [{
    label: "",
    options: results.filter(({ id }) => !taken.has(id)).map(({ id, name }) => ({ value: id, text: name || id, hint: name ? id : "" })),
  }];
};

// Learns the names of ids that came as JSON or were pasted; says whether any was new.
export const learn = async (key, ids) => {
  const unknown = ids.map(String).filter((id) => !(`${key}:${id}` in names));
  if (!unknown.length) return false;
  const results = await ask([["key", key], ...unknown.slice(0, 100).map((id) => ["id", id])]);
  // What nothing has is not asked for again.
  for (const id of unknown) names[`${key}:${id}`] ??= "";
  for (const { id, name } of results) names[`${key}:${id}`] = name;
  return results.length > 0;
};

export const nameOf = (key, id) => names[`${key}:${id}`] || String(id);
