// Runs before the first paint, so that neither the colours nor the navigation jump.
(() => {
  const root = document.documentElement;
  const kept = (name) => {
    try { return localStorage.getItem(name); } catch { return null; }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const choice = kept("laurel.theme") || "system";
    const dark = choice === "dark" || (choice === "system" && system.matches);
    root.dataset.bsTheme = dark ? "dark" : "light";
    root.dataset.themeChoice = choice;
  };
  apply();
  system.addEventListener("change", apply);
  window.addEventListener("laurel:theme", apply);
  const brand = document.querySelector('meta[name="laurel-brand"]')?.content;
  if (brand) root.style.setProperty("--brand", brand);
  const nav = kept("laurel.nav");
  if (nav) root.dataset.nav = nav;
})();
