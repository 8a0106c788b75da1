// Several values as chips with their names, each removable, and a combobox to add more.
import { combobox } from "./combobox.js";
import { make } from "./dom.js";
import { say, words } from "./page.js";

// Given: label; values; nameOf(value); find(text); put(values), which draws anew; read(text) -> value or null where any
// text may be given; attributes of the field.
export const chips = (given) => {
  const { label, values, nameOf, put } = given;
  const add = (more) => { const all = [...values, ...more.filter((one) => one !== null && !values.includes(one))]; if (all.length > values.length) put([...new Set(all)]); };
  const drop = (place) => put(values.filter((_, index) => index !== place));
  const field = combobox({
    label, find: given.find, wait: given.wait ?? 120, first: given.first ?? true, clears: true,
    placeholder: values.length ? words.another : words.search,
    choose: (option) => add([option.value]),
    free: given.read && ((text) => { if (text) add([given.read(text)]); }),
    attributes: given.attributes,
  });
  const input = field.querySelector("input");
  input.addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && !input.value && values.length) { event.preventDefault(); drop(values.length - 1); }
  });
  input.addEventListener("paste", (event) => {
    const parts = event.clipboardData.getData("text").split(/[\n\r\t,;]+/).map((part) => part.trim()).filter(Boolean);
    if (!given.read || parts.length < 2) return;
    event.preventDefault();
    add(parts.map(given.read));
  });
  return make("div", { class: "criteria-chips" }, [
    values.length ? make("ul", { class: "chips", "aria-label": label }, values.map((value, place) => {
      const name = nameOf(value);
      return make("li", {}, [
        make("span", { text: name, title: String(value) }),
        make("button", { type: "button", text: "×", "aria-label": say(words.remove_one, { name }), on: { click: () => { input.focus(); drop(place); } } }),
      ]);
    })) : null,
    field,
  ]);
};
