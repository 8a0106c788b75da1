// The header's search: hits appear while typing; arrows walk them, Escape closes. Enter sends the form as it stands.
(() => {
  "use strict";
  const box = () => document.getElementById("search");
  const place = () => document.getElementById("search-results");
  const hits = () => [...(place()?.querySelectorAll("a") || [])];
  const show = (open) => {
    if (!place()) return;
    place().hidden = !open;
  };
  document.addEventListener("keydown", (event) => {
    if (!place() || !event.target.closest?.(".shell-search")) return;
    if (event.key === "Escape" && !place().hidden && place().childElementCount) {
      event.preventDefault();
      show(false);
      box().focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const all = hits();
      if (!all.length) return;
      event.preventDefault();
      show(true);
      const at = all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      (at < 0 ? box() : all[Math.min(at, all.length - 1)]).focus();
    }
  });
  // An empty box offers who was looked at last, when it is reached; emptied again, it asks for them by itself.
  document.addEventListener("focusin", (event) => {
    if (event.target === box() && !box().value.trim() && place().hidden) window.htmx?.trigger(box(), "laurel:recent");
  });
  document.addEventListener("focusin", (event) => { if (!event.target.closest?.(".shell-search")) show(false); });
  document.addEventListener("click", (event) => { if (!event.target.closest?.(".shell-search")) show(false); });
  // Whoever is among the hits when a later answer replaces them stays at hers, or goes back to the box.
  let left = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target === place()) left = hits().find((hit) => hit === document.activeElement)?.href || null;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== place()) return;
    // Tab passes them by: whoever goes on through the page opens no list of stops on her way.
    for (const hit of hits()) hit.tabIndex = -1;
    if (left) (hits().find((hit) => hit.href === left) || box()).focus();
    // An answer that comes after the box was left stays closed.
    show(document.activeElement?.closest?.(".shell-search") !== null);
  });
})();
