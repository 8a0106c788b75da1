// The member's pages work without this; with it they activate in place, copy a code, and say so.
(() => {
  "use strict";
  const say = (text) => {
    const place = document.getElementById("announcement");
    if (place) place.textContent = text;
  };
  const problem = document.getElementById("problem");
  const complain = () => {
    if (!problem) return;
    problem.textContent = problem.dataset.text;
    problem.hidden = false;
    setTimeout(() => { problem.hidden = true; }, 6000);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Not allowed here: the letters are selected instead, to be copied by hand.
      getSelection().selectAllChildren(button.parentElement.querySelector(".letters"));
      return;
    }
    button.classList.add("done");
    say(button.dataset.said);
    setTimeout(() => button.classList.remove("done"), 2000);
  });

  // A picture that does not load leaves its coloured panel.
  document.addEventListener("error", (event) => {
    if (event.target.matches?.("[data-picture]")) event.target.remove();
  }, true);

  // Choosing products: how many of how many, and no more than that. The server refuses them anyway.
  const count = (form) => {
    const most = Number(form.dataset.choose);
    const boxes = [...form.querySelectorAll("input[name=product]")];
    const chosen = boxes.filter((box) => box.checked).length;
    for (const box of boxes) if (box.type === "checkbox") box.disabled = !box.checked && chosen >= most;
    const place = form.querySelector("[data-count]");
    if (place) place.textContent = `${chosen} / ${most}`;
  };
  const countAll = () => { for (const form of document.querySelectorAll("form[data-choose]")) count(form); };
  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("form[data-choose]");
    if (form) count(form);
  });
  document.addEventListener("htmx:afterSwap", countAll);
  document.addEventListener("DOMContentLoaded", countAll);

  let said = "";
  document.addEventListener("htmx:beforeRequest", (event) => {
    said = event.detail.elt.dataset.said || "";
    event.detail.elt.querySelector("button")?.classList.add("busy");
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (said) say(said);
    const part = event.detail.target.id ? document.getElementById(event.detail.target.id) : null;
    // The button that had the focus is gone: the focus stays where the person was.
    const next = part?.querySelector(".state, .active, .refusal, h1, h3");
    if (next) { next.tabIndex = -1; next.focus({ preventScroll: true }); }
  });
  document.addEventListener("htmx:responseError", (event) => {
    // Signed out meanwhile: the page says what to do.
    if (event.detail.xhr.status === 401) location.reload(); else complain();
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, complain);
  document.addEventListener("htmx:afterRequest", (event) => event.detail.elt.querySelector?.("button")?.classList.remove("busy"));
})();
