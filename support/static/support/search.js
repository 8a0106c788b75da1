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
  document.addEventListener("htmx:afterSwap", (event) => {
    // An answer that comes after the box was left stays closed.
    if (event.detail.target === place()) show(document.activeElement?.closest?.(".shell-search") !== null);
  });
})();
