// Forms made of rules: units that follow the chosen type, pickers of products, a warning before leaving unsaved.
// Works on what htmx swaps in as well; without it the fields are plain and complete.
(() => {
  "use strict";
  const all = (selector, within) => [...within.querySelectorAll(selector)];

  // --- The unit of an amount is that of the type chosen beside it -------------------------------------------------
  const showUnit = (input) => {
    const type = input.form?.elements.namedItem(input.dataset.unitOf) ?? document.getElementsByName(input.dataset.unitOf)[0];
    const unit = input.closest(".input-unit")?.querySelector(".unit");
    if (type && unit) unit.textContent = input.getAttribute(`data-unit-${type.value.replaceAll("_", "-")}`) || "";
  };
  const showUnits = (within) => all("[data-unit-of]", within).forEach(showUnit);
  document.addEventListener("change", (event) => {
    if (!event.target.name) return;
    for (const input of all("[data-unit-of]", document)) if (input.dataset.unitOf === event.target.name) showUnit(input);
  });

  // --- Pickers: the textarea of ids stays the truth, chips and search only write into it --------------------------------
  const MOST_CHIPS = 60;
  const known = JSON.parse(document.getElementById("picker-names")?.textContent || "{}");
  const parts = (picker) => ({
    kind: picker.dataset.picker,
    text: picker.querySelector("textarea"),
    chips: picker.querySelector("[data-chips]"),
    list: picker.querySelector(".suggestions"),
    search: picker.querySelector("input[type=search]"),
  });
  const ids = (text) => text.value.split("\n").map((line) => line.trim()).filter(Boolean);
  const draw = (picker) => {
    const { kind, text, chips } = parts(picker);
    const chosen = ids(text);
    chips.replaceChildren(...chosen.slice(0, MOST_CHIPS).map((id) => {
      const chip = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = known[`${kind}:${id}`] || id;
      name.title = id;
      const drop = document.createElement("button");
      drop.type = "button";
      drop.dataset.unpick = id;
      drop.textContent = "×";
      drop.setAttribute("aria-label", `× ${name.textContent}`);
      chip.append(name, drop);
      return chip;
    }));
    if (chosen.length > MOST_CHIPS) {
      const more = document.createElement("li");
      more.className = "more";
      more.textContent = `+ ${chosen.length - MOST_CHIPS}`;
      chips.append(more);
    }
  };
  const write = (picker, chosen) => {
    const { text } = parts(picker);
    text.value = chosen.join("\n");
    draw(picker);
    text.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("click", (event) => {
    const picker = event.target.closest?.("[data-picker]");
    for (const other of all("[data-picker]", document)) if (other !== picker) parts(other).list.replaceChildren();
    if (!picker) return;
    const { kind, text, list, search } = parts(picker);
    const pick = event.target.closest("[data-pick]");
    const unpick = event.target.closest("[data-unpick]");
    if (pick) {
      known[`${kind}:${pick.dataset.pick}`] = pick.dataset.name;
      write(picker, [...new Set([...ids(text), pick.dataset.pick])]);
      list.replaceChildren();
      search.value = "";
      search.focus();
    } else if (unpick) {
      write(picker, ids(text).filter((id) => id !== unpick.dataset.unpick));
      search.focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    const picker = event.target.closest?.("[data-picker]");
    if (!picker || event.target.tagName === "TEXTAREA") return;
    const { list, search } = parts(picker);
    const buttons = all("[data-pick]", list);
    if (event.key === "Escape") { list.replaceChildren(); search.focus(); }
    // Enter in the search takes the first suggestion and never sends the form.
    if (event.key === "Enter" && event.target === search) { event.preventDefault(); buttons[0]?.click(); }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const at = buttons.indexOf(document.activeElement);
    const next = event.key === "ArrowDown" ? buttons[at + 1] : buttons[at - 1] || search;
    if (next) { event.preventDefault(); next.focus(); }
  });
  document.addEventListener("input", (event) => {
    const picker = event.target.tagName === "TEXTAREA" && event.target.closest("[data-picker]");
    if (picker) draw(picker);
  });

  // --- What was typed is not lost by a slip -----------------------------------------------------------------------------------
  let dirty = false;
  document.addEventListener("change", (event) => { if (event.target.closest?.("form[data-unsaved]")) dirty = true; });
  document.addEventListener("submit", (event) => { if (event.target.matches("form[data-unsaved]")) dirty = false; });
  addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });

  const prepare = (within) => {
    showUnits(within);
    for (const picker of all("[data-picker]", within)) draw(picker);
  };
  document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
  const start = () => { prepare(document.body); document.querySelector("[data-focus]")?.focus(); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
