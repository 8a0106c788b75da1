// A criteria tree and what can be done with it. A node is a group (it has `items`) or a leaf; nodes are told apart by
// identity, and a path is written as the server writes it: `items[0].items[1]`.
export const isGroup = (node) => Array.isArray(node?.items);
export const isEmpty = (root) => root.items.length === 0;

export const under = (path, place) => `${path}${path ? "." : ""}items[${place}]`;

// Every node with its path, parents first.
export function* walk(node, path = "") {
  yield [node, path];
  if (isGroup(node)) for (const [place, item] of node.items.entries()) yield* walk(item, under(path, place));
}

export const pathOf = (root, node) => { for (const [one, path] of walk(root)) if (one === node) return path; return null; };
export const at = (root, path) => { for (const [one, place] of walk(root)) if (place === path) return one; return null; };
// "2.1" for the first of the second: what people call a condition.
export const numberOf = (path) => [...path.matchAll(/items\[(\d+)\]/g)].map(([, place]) => Number(place) + 1).join(".");
export const contains = (node, other) => { for (const [one] of walk(node)) if (one === other) return true; return false; };

export const parentOf = (root, node) => {
  for (const [one] of walk(root)) {
    const place = isGroup(one) ? one.items.indexOf(node) : -1;
    if (place >= 0) return { parent: one, place };
  }
  return null;
};

// Groups join their conditions in turns: what stands within "all of these" is most likely "any of these".
export const otherwise = (op) => (op === "and" ? "or" : "and");

export const insert = (parent, place, node) => { delete parent.all_members; parent.items.splice(place, 0, node); };
export const remove = (root, node) => { const { parent, place } = parentOf(root, node); parent.items.splice(place, 1); };
export const replace = (root, node, other) => { const { parent, place } = parentOf(root, node); parent.items[place] = other; };

// Moves the node to a place of a group, counted while the node still stands where it was. False where it cannot.
export const move = (root, node, parent, place) => {
  const from = parentOf(root, node);
  if (!from || contains(node, parent)) return false;
  const to = from.parent === parent && from.place < place ? place - 1 : place;
  if (from.parent === parent && from.place === to) return false;
  from.parent.items.splice(from.place, 1);
  insert(parent, to, node);
  return true;
};

export const duplicate = (root, node) => {
  const { parent, place } = parentOf(root, node);
  const copy = structuredClone(node);
  insert(parent, place + 1, copy);
  return copy;
};

// The group goes, its conditions take its place.
export const dissolve = (root, group) => {
  const { parent, place } = parentOf(root, group);
  parent.items.splice(place, 1, ...group.items);
};

export const wrap = (root, node) => {
  const { parent, place } = parentOf(root, node);
  parent.items[place] = { op: otherwise(parent.op), items: [node] };
};

// Turns a group, or a leaf by its operator's complement, into those for whom it is not so; a leaf whose operator has
// none gets a group around it.
export const turn = (root, node, complements) => {
  if (isGroup(node)) {
    if (node.not) delete node.not; else node.not = true;
    return node;
  }
  if (complements[node.is]) {
    node.is = complements[node.is];
    return node;
  }
  const { parent, place } = parentOf(root, node);
  if (parent.not && parent.items.length === 1 && parentOf(root, parent)) {
    replace(root, parent, node);
    return node;
  }
  parent.items[place] = { not: true, op: "and", items: [node] };
  return parent.items[place];
};

// Where the keys move a node: up and down within its group, out of it, into the group beside it.
export const steps = {
  up: (root, node) => { const { parent, place } = parentOf(root, node); return place > 0 && [parent, place - 1]; },
  down: (root, node) => { const { parent, place } = parentOf(root, node); return place < parent.items.length - 1 && [parent, place + 2]; },
  out: (root, node) => {
    const { parent } = parentOf(root, node);
    const outer = parentOf(root, parent);
    return outer ? [outer.parent, outer.place + 1] : false;
  },
  into: (root, node) => {
    const { parent, place } = parentOf(root, node);
    const [before, after] = [parent.items[place - 1], parent.items[place + 1]];
    if (isGroup(before)) return [before, before.items.length];
    return isGroup(after) ? [after, 0] : false;
  },
};
