// Elements, made without markup in strings.
import { host } from "./page.js";

export const make = (tag, given = {}, children = []) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key === "text") element.textContent = value;
    else if (key === "on") for (const [name, listener] of Object.entries(value)) element.addEventListener(name, listener);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
};

export const icon = (symbol) => {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("class", "icon-sprite");
  drawing.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `${host.dataset.icons}#${symbol}`);
  drawing.append(use);
  return drawing;
};

export const button = (text, act, given = {}) => make("button", { type: "button", class: "btn btn-default btn-sm", text, on: { click: act }, ...given });

export const iconButton = (symbol, label, act, given = {}) => {
  const element = button("", act, { "aria-label": label, title: label, ...given });
  element.append(icon(symbol));
  return element;
};

// `options` are pairs of value and text.
export const select = (label, options, chosen, act, given = {}) => {
  const element = make("select", { class: "form-select", "aria-label": label, on: { change: () => act(element.value) }, ...given },
    options.map(([value, text]) => make("option", { value, text, selected: value === chosen })));
  return element;
};

export const soft = (text) => make("span", { class: "soft", text });

// A menu of acts behind three dots: entries are [symbol, text, act, is disabled].
export const menu = (label, entries, given = {}) => {
  const summary = make("summary", { class: "btn btn-quiet btn-sm", "aria-label": label, title: label, ...given }, [icon("dots")]);
  return make("details", { class: "menu" }, [
    summary,
    make("div", { class: "menu-panel" }, entries.map(([symbol, text, act, disabled]) => {
      const item = make("button", { type: "button", class: "menu-item", disabled, on: { click: act } }, [icon(symbol)]);
      item.append(text);
      return item;
    })),
  ]);
};
