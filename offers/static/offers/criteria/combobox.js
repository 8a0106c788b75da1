// A text field with a list of choices below it, as the ARIA 1.2 combobox pattern says: the focus stays in the field,
// arrows move through the list, Enter takes, Escape closes.
import { make } from "./dom.js";
import { announce, drawing, say, words } from "./page.js";

let serial = 0;

// Given: label; text (what stands in it); find(text) -> groups of {label, options: [{value, text, hint}]}, at once or
// promised; choose(option); free(text), where any text may be given; typed(text) for each key; wait in milliseconds
// before looking; first: whether the first hit is the one that Enter takes.
export const combobox = (given) => {
  const id = `combobox-${++serial}`;
  const list = make("div", { role: "listbox", id: `${id}-list`, "aria-label": words.suggestions });
  const nothing = make("p", { class: "combobox-none soft", text: words.no_match, hidden: true });
  const popup = make("div", { class: "combobox-popup", hidden: true }, [list, nothing]);
  const input = make("input", {
    class: "form-control", role: "combobox", type: "text", autocomplete: "off", spellcheck: "false", value: given.text ?? "",
    "aria-label": given.label, "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list",
    placeholder: given.placeholder ?? words.search, ...given.attributes,
  });
  let [asked, waiting, active, settled] = [0, 0, null, given.text ?? ""];

  const activate = (option) => {
    active?.setAttribute("aria-selected", "false");
    active = option;
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };
  const close = () => {
    clearTimeout(waiting);
    asked += 1;
    popup.hidden = true;
    input.setAttribute("aria-expanded", "false");
    activate(null);
  };
  const take = (option) => {
    close();
    settled = option.text;
    input.value = given.clears ? "" : option.text;
    given.choose(option);
  };
  const entry = (option) => {
    const element = make("div", { role: "option", id: `${id}-${++serial}`, class: "combobox-option", "aria-selected": "false", on: { click: () => take(option) } },
      [make("span", { text: option.text }), option.hint ? make("span", { class: "soft", text: option.hint }) : null]);
    element.option = option;
    return element;
  };
  const show = (groups, isTyped) => {
    const filled = groups.filter((group) => group.options.length);
    activate(null);
    list.replaceChildren(...filled.flatMap((group) => {
      if (!group.label) return group.options.map(entry);
      const heading = make("div", { class: "combobox-group", id: `${id}-${++serial}`, role: "presentation", text: group.label });
      return [make("div", { role: "group", "aria-labelledby": heading.id }, [heading, ...group.options.map(entry)])];
    }));
    const options = list.querySelectorAll("[role=option]");
    nothing.hidden = options.length > 0;
    // Where any text will do, having nothing to suggest is no news.
    popup.hidden = !options.length && Boolean(given.free);
    input.setAttribute("aria-expanded", String(!popup.hidden));
    const current = [...options].find((option) => option.option.isCurrent);
    if (current && !isTyped) activate(current);
    else if (given.first && isTyped && options.length) activate(options[0]);
    if (isTyped) announce(options.length ? say(words.found, { count: options.length }) : words.no_match);
  };
  const look = async (isTyped) => {
    const turn = ++asked;
    const groups = await given.find(isTyped ? input.value.trim() : "");
    // Slower answers to what was typed before are not wanted any more; nor is any once the field was left.
    if (turn === asked && document.activeElement === input) show(groups, isTyped);
  };
  const open = () => { if (popup.hidden) look(false); };
  const step = (by) => {
    if (popup.hidden) return void look(false);
    const options = [...list.querySelectorAll("[role=option]")];
    if (!options.length) return;
    const place = options.indexOf(active);
    activate(options[place < 0 ? (by > 0 ? 0 : options.length - 1) : (place + by + options.length) % options.length]);
  };
  const settle = () => {
    if (input.value === settled) return;
    if (!given.free) { input.value = settled; return; }
    settled = input.value;
    given.free(input.value.trim());
    if (given.clears) { input.value = ""; settled = ""; }
  };

  input.addEventListener("input", () => {
    clearTimeout(waiting);
    given.typed?.(input.value.trim());
    if (given.wait) waiting = setTimeout(() => look(true), given.wait); else look(true);
  });
  input.addEventListener("click", open);
  input.addEventListener("focus", () => input.select());
  // Drawing anew takes the field away, which is no leaving of it.
  input.addEventListener("blur", () => { if (!drawing.now) { close(); settle(); } });
  input.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      // Never sends the form. Whoever types quickly and presses Enter means the first hit of what was typed.
      event.preventDefault();
      event.stopPropagation();
      if (given.first && !active && input.value.trim() && input.value !== settled) await look(true);
      if (active) take(active.option); else { close(); settle(); }
    } else if (event.key === "Escape" && !popup.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
      if (!given.free) input.value = settled;
    }
  });
  // Pressing the mouse on the list must not take the focus away, which would close it.
  popup.addEventListener("pointerdown", (event) => event.preventDefault());
  popup.addEventListener("mousedown", (event) => event.preventDefault());
  return make("div", { class: "combobox" }, [input, popup]);
};
