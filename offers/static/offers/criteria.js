// The builder of criteria. The textarea of JSON stays the truth: the builder reads it, draws it as nested groups and
// writes it back on each change; without scripts the textarea alone works.
(() => {
  "use strict";
  const host = document.getElementById("builder");
  const source = document.getElementById("criteria");
  if (!host || !source) return;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const about = read("criteria-description");
  const names = read("criteria-names");
  const words = read("criteria-words");
  const fields = new Map(about.groups.flatMap((group) => group.fields).map((field) => [field.key, field]));
  // A part of a member's history by its key; its measures by "subject:measure".
  const subjects = new Map(about.subjects.map((subject) => [subject.key, subject]));
  const measures = new Map(about.subjects.flatMap((subject) => subject.measures.map((m) => [`${subject.key}:${m.key}`, m])));
  const subjectOf = (node) => about.subjects.find(({ key }) => key in node)?.key;
  let root = { op: "and", items: [] };
  let serial = 0;

  const make = (tag, given = {}, children = []) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(given)) {
      if (key === "text") element.textContent = value;
      else if (key === "on") for (const [name, listener] of Object.entries(value)) element.addEventListener(name, listener);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value != null) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  };
  const button = (text, act, label) => make("button", {
    type: "button", class: "btn btn-default btn-sm", text, "aria-label": label, on: { click: act },
  });
  const iconButton = (symbol, act, label) => {
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.setAttribute("class", "icon-sprite");
    drawing.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${host.dataset.icons}#${symbol}`);
    drawing.append(use);
    const element = button("", act, label);
    element.title = label;
    element.append(drawing);
    return element;
  };
  const select = (label, options, chosen, act) => {
    const element = make("select", { class: "form-select", "aria-label": label, on: { change: () => act(element.value) } },
      options.map(([value, text]) => make("option", { value, text, selected: value === chosen })));
    return element;
  };

  // --- Writing back ---------------------------------------------------------------------------------------------------
  const write = () => {
    source.value = JSON.stringify(root, null, 2);
    document.body.dispatchEvent(new CustomEvent("criteria-changed"));
  };
  const change = (act) => { act(); draw(); write(); };

  // --- Values ----------------------------------------------------------------------------------------------------------
  const measureOf = (node) => { const subject = subjectOf(node); return subject && measures.get(`${subject}:${node[subject]}`); };
  const kindOf = (node) => (subjectOf(node) ? measureOf(node)?.type ?? "number" : fields.get(node.field)?.type ?? "text");
  const toMinor = (text) => Math.round(Number(text) * 10 ** about.minor_digits);
  const toMajor = (minor) => (minor == null ? "" : String(minor / 10 ** about.minor_digits));
  const parse = (kind, text) => {
    if (text === "") return null;
    if (kind === "money") return toMinor(text);
    if (kind === "number" && !Number.isNaN(Number(text))) return Number(text);
    if (kind === "boolean") return text === "true";
    return text;
  };
  const suggest = async (list, key, text) => {
    const answer = await fetch(`${host.dataset.values}?${new URLSearchParams({ key, q: text })}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const { results } = await answer.json();
    list.replaceChildren(...results.map(({ id, name }) => make("option", { value: id, label: name ? `${name} · ${id}` : id })));
    for (const { id, name } of results) if (name) names[`${key}:${id}`] = name;
  };
  const typing = (key, given, act, label = words.value) => {
    const list = make("datalist", { id: `suggestions-${++serial}` });
    let waiting;
    const input = make("input", {
      class: "form-control", value: given, "aria-label": label, list: list.id, placeholder: words.search, autocomplete: "off",
      on: {
        input: () => {
          clearTimeout(waiting);
          // Only what stands behind the last comma is being typed.
          waiting = setTimeout(() => suggest(list, key, input.value.split(",").pop().trim()), 150);
        },
        focus: () => suggest(list, key, input.value.split(",").pop().trim()),
        change: () => act(input.value),
      },
    });
    return [input, list];
  };
  const single = (node, kind, given, act) => {
    if (kind === "boolean") return [select(words.value, [["true", words.yes], ["false", words.no]], String(given ?? true), (v) => act(v === "true"))];
    const field = fields.get(node.field);
    if (kind === "choice") return [select(words.value, [["", "…"], ...field.choices], given ?? "", (v) => act(v || null))];
    if (kind === "text" || kind === "list") return typing(node.field, given ?? "", (v) => act(v.trim() || null));
    const type = kind === "date" || kind === "moment" ? "date" : "number";
    const shown = kind === "money" ? toMajor(given) : given ?? "";
    const input = make("input", {
      class: "form-control criteria-number", type, step: kind === "money" ? 10 ** -about.minor_digits : "any", value: shown,
      "aria-label": kind === "money" ? `${words.value} (${about.currency})` : words.value,
      on: { change: () => act(parse(kind, input.value)) },
    });
    return kind === "money" ? [input, make("span", { class: "soft", text: about.currency })] : [input];
  };
  const several = (node, kind, act) => {
    const field = fields.get(node.field);
    if (kind === "choice") {
      const element = make("select", {
        class: "form-select", multiple: true, "aria-label": words.value,
        on: { change: () => act([...element.selectedOptions].map((option) => option.value)) },
      }, field.choices.map(([value, text]) => make("option", { value, text, selected: (node.value ?? []).includes(value) })));
      return [element];
    }
    const split = (text) => text.split(",").map((part) => part.trim()).filter(Boolean).map((part) => parse(kind, part));
    return typing(node.field ?? "", (node.value ?? []).join(", "), (text) => act(split(text)), `${words.value}: ${words.several}`);
  };
  const valueControls = (node) => {
    const kind = kindOf(node);
    const put = (value) => { node.value = value; write(); };
    if (about.without_value.includes(node.is)) return [];
    if (about.with_days.includes(node.is)) return [...single(node, "number", node.value, put), make("span", { class: "soft", text: words.days })];
    if (about.with_list.includes(node.is)) return several(node, kind, put);
    if (node.is === "between") {
      const pair = Array.isArray(node.value) ? node.value : [null, null];
      const at = (place) => (value) => { pair[place] = value; put(pair); };
      return [...single(node, kind, pair[0], at(0)), make("span", { text: words.and }), ...single(node, kind, pair[1], at(1))];
    }
    return single(node, kind, node.value, put);
  };

  // --- Conditions and groups ---------------------------------------------------------------------------------------------
  const blank = (key) => {
    if (key === "random_percent") return { random_percent: 10, key: "" };
    if (key === "targeting") return { targeting: null };
    if (measures.has(key)) {
      const [subject, name] = key.split(":");
      const { operators, type } = measures.get(key);
      const is = operators.includes("greater_or_equal") ? "greater_or_equal" : operators[0];
      return { [subject]: name, is, value: type === "number" && subject !== "purchases" ? 1 : null };
    }
    const field = fields.get(key);
    return { field: key, is: field.operators[0], value: field.type === "boolean" ? true : null };
  };
  const keyOf = (node) => {
    if ("random_percent" in node) return "random_percent";
    if ("targeting" in node) return "targeting";
    const subject = subjectOf(node);
    return subject ? `${subject}:${node[subject]}` : node.field;
  };
  const fieldSelect = (node, act) => {
    const key = keyOf(node);
    const element = select(words.field, [], key, act);
    const group = (label, options) => make("optgroup", { label }, options.map(([value, text]) => make("option", { value, text, selected: value === key })));
    element.append(...about.groups.map((g) => group(g.label, g.fields.map((f) => [f.key, f.label]))),
      ...about.subjects.map((one) => group(one.label, one.measures.map((m) => [`${one.key}:${m.key}`, m.label]))),
      group(words.more, [["targeting", words.targeting], ["random_percent", words.share]]));
    return element;
  };
  const narrowing = (node) => {
    const where = node.where ?? {};
    const { dimensions } = subjects.get(subjectOf(node));
    const dimension = dimensions.find((d) => d.key in where)?.key ?? "";
    const put = (values) => { node.where = values; if (!Object.keys(values).length) delete node.where; };
    const period = "last_days" in where ? { last_days: where.last_days } : {};
    const controls = [
      make("span", { class: "criteria-break" }),
      select(words.narrow, [["", `${words.narrow}: ${words.anything}`], ...dimensions.map((d) => [d.key, `${words.narrow}: ${d.label}`])], dimension,
        (key) => change(() => put({ ...period, ...(key ? { [key]: [] } : {}) }))),
    ];
    if (dimension) {
      const ids = where[dimension] ?? [];
      const known = ids.map((id) => names[`${dimension}:${id}`]).filter(Boolean).join(", ");
      controls.push(...typing(dimension, ids.join(", "), (text) => change(() => {
        put({ ...period, [dimension]: text.split(",").map((part) => part.trim()).filter(Boolean) });
      }), words.several));
      if (known) controls.push(make("span", { class: "soft", text: known }));
    }
    controls.push(select(words.period, [["", words.ever], ["last", words.last]], "last_days" in where ? "last" : "", (chosen) => change(() => {
      const { last_days: _, ...rest } = where;
      put(chosen ? { ...rest, last_days: 90 } : rest);
    })));
    if ("last_days" in where) {
      const input = make("input", {
        class: "form-control criteria-number", type: "number", min: 0, value: where.last_days ?? "", "aria-label": words.days,
        on: { change: () => { where.last_days = input.value === "" ? null : Number(input.value); put(where); write(); } },
      });
      controls.push(input, make("span", { class: "soft", text: words.days }));
    }
    return controls;
  };
  const side = (parent, place) => make("span", { class: "criteria-side" }, [
    iconButton("copy", () => change(() => parent.items.splice(place + 1, 0, structuredClone(parent.items[place]))), words.duplicate),
    iconButton("x", () => change(() => parent.items.splice(place, 1)), words.remove),
  ]);
  const share = (node) => {
    const percent = make("input", {
      class: "form-control criteria-number", type: "number", min: 0.01, max: 99.99, step: 0.01, value: node.random_percent ?? "",
      "aria-label": words.percent, on: { change: () => { node.random_percent = parse("number", percent.value); write(); } },
    });
    const key = (text) => { node.key = text.trim(); write(); };
    return [percent, make("span", { class: "soft", text: `%, ${words.key}` }), ...typing("campaigns", node.key ?? "", key, words.key)];
  };
  const saved = (node) => {
    const known = names[`targeting:${node.targeting}`];
    return [
      ...typing("targeting", node.targeting ?? "", (text) => change(() => { node.targeting = parse("number", text.trim()); }), words.targeting),
      ...(known ? [make("span", { class: "soft", text: known })] : []),
    ];
  };
  const condition = (node, parent, place) => {
    const row = (children) => make("div", { class: "criteria-row", role: "group", "aria-label": `${words.condition} ${place + 1}` }, [
      fieldSelect(node, (key) => change(() => { parent.items[place] = blank(key); })), ...children,
    ]);
    if ("random_percent" in node) return row([...share(node), side(parent, place)]);
    if ("targeting" in node) return row([...saved(node), side(parent, place)]);
    const known = measureOf(node) ?? fields.get(node.field);
    const allowed = known?.operators ?? [];
    return row([
      select(words.operator, allowed.map((key) => [key, about.operators[key]]), node.is, (key) => change(() => {
        const before = node.is;
        node.is = key;
        // A value keeps its meaning only between operators that take the same shape.
        const shape = (o) => [about.without_value, about.with_list, about.with_days].findIndex((keys) => keys.includes(o)) + (o === "between" ? 10 : 0);
        if (shape(before) !== shape(key)) node.value = about.with_list.includes(key) ? [] : null;
        if (about.without_value.includes(key)) delete node.value;
      })),
      ...valueControls(node),
      side(parent, place),
      ...(subjectOf(node) ? narrowing(node) : []),
    ]);
  };
  const group = (node, parent, place) => {
    const id = `not-${++serial}`;
    const head = make("div", { class: "criteria-head" }, [
      select(words.group, [["and", words.all], ["or", words.any]], node.op, (op) => change(() => { node.op = op; delete node.all_members; })),
      make("span", { class: "form-check" }, [
        make("input", { class: "form-check-input", type: "checkbox", id, checked: Boolean(node.not), on: { change: (event) => change(() => { if (event.target.checked) node.not = true; else delete node.not; }) } }),
        make("label", { class: "form-check-label", for: id, text: words.none }),
      ]),
      ...(parent ? [side(parent, place)] : []),
    ]);
    const items = node.items.map((item, index) => ("items" in item ? group(item, node, index) : condition(item, node, index)));
    const nothing = node.all_members ? words.all_members : words.empty;
    const first = about.groups[0].fields[0].key;
    const add = (item) => change(() => { delete node.all_members; node.items.push(item); });
    return make("fieldset", { class: "criteria-group" }, [
      make("legend", { class: "visually-hidden", text: words.group }),
      head,
      make("div", { class: "criteria-items" }, items.length ? items : [make("p", { class: "criteria-empty", text: nothing })]),
      make("div", { class: "criteria-foot" }, [
        button(`+ ${words.condition}`, () => add(blank(first))),
        button(`+ ${words.purchases}`, () => add({ ...blank("purchases:amount"), where: { last_days: 90 } })),
        button(`+ ${words.offers}`, () => add(blank("assignments:count"))),
        button(`+ ${words.group}`, () => add({ op: node.op === "and" ? "or" : "and", items: [blank(first)] })),
        ...(parent || node.items.length ? [] : [button(words.everyone, () => change(() => { root = { op: "and", items: [], all_members: true }; }))]),
      ]),
    ]);
  };
  const draw = () => {
    const focused = [...host.querySelectorAll("button, select, input")].indexOf(document.activeElement);
    host.replaceChildren(group(root));
    // The same control has the focus again, so that the keyboard can go on.
    if (focused >= 0) host.querySelectorAll("button, select, input")[focused]?.focus();
  };
  const load = () => {
    try {
      const tree = JSON.parse(source.value);
      root = "items" in tree ? tree : { op: "and", items: [tree] };
      draw();
    } catch { /* while it is being typed; the preview says what is wrong */ }
  };
  source.addEventListener("input", () => { load(); document.body.dispatchEvent(new CustomEvent("criteria-changed")); });
  load();
})();
