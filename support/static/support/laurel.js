// Laurel's behaviour on staff pages. Everything works by data attributes, so that swapped-in parts need no set-up
// and no page needs an inline script (the content security policy forbids them).
(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const words = JSON.parse(document.getElementById("laurel-words")?.textContent || "{}");
  const keep = (name, value) => {
    try { localStorage.setItem(name, value); } catch { /* private mode: the choice lasts for this page only */ }
  };
  const csrf = () => {
    try { return JSON.parse(document.body.getAttribute("hx-headers") || "{}")["x-csrftoken"] || ""; } catch { return ""; }
  };

  // --- Toasts, with an undo for ten seconds -------------------------------------------------------------------
  const UNDO_SECONDS = 10;
  const stay = (toast) => {
    const seconds = toast.querySelector(".undo") ? UNDO_SECONDS : toast.classList.contains("error") ? 0 : 6;
    if (!seconds) return;
    let left = seconds * 1000;
    let since = Date.now();
    let timer = setTimeout(() => toast.remove(), left);
    // Someone who reads or reaches for it must not lose it under the pointer.
    const hold = () => { clearTimeout(timer); left -= Date.now() - since; };
    const go = () => { since = Date.now(); timer = setTimeout(() => toast.remove(), Math.max(left, 1500)); };
    toast.addEventListener("pointerenter", hold);
    toast.addEventListener("pointerleave", go);
    toast.addEventListener("focusin", hold);
    toast.addEventListener("focusout", go);
  };
  const makeToast = ({ level = "info", text, undo, retry }) => {
    const template = document.getElementById("toast-template");
    const place = document.getElementById("toasts");
    if (!template || !place) return null;
    const toast = template.content.firstElementChild.cloneNode(true);
    toast.classList.add(level);
    toast.querySelector("[data-text]").textContent = text;
    const form = toast.querySelector("form");
    if (undo) form.action = undo; else form.remove();
    const again = toast.querySelector("[data-retry]");
    if (retry) again.addEventListener("click", () => { toast.remove(); retry(); }); else again.remove();
    place.append(toast);
    stay(toast);
    return toast;
  };
  // From the server: the header HX-Trigger: {"laurel:toast": {"level": …, "text": …, "undo": …}}.
  document.addEventListener("laurel:toast", (event) => makeToast(event.detail));

  // --- What a (swapped-in) part needs ---------------------------------------------------------------------------
  const prepare = (part) => {
    const within = (selector) => (part.matches?.(selector) ? [part] : []).concat(all(selector, part));
    // Widths come from data: inline style attributes are forbidden.
    for (const bar of within("[data-percent]")) bar.style.width = `${Math.min(100, Math.max(0, Number(bar.dataset.percent)))}%`;
    for (const toast of within(".toast-line:not([data-ready])")) { toast.dataset.ready = ""; stay(toast); }
    for (const canvas of within("canvas[data-chart]")) drawChart(canvas);
    for (const dialog of within("dialog[data-open]")) if (!dialog.open) dialog.showModal();
  };

  // --- Charts: the numbers lie in a JSON script beside the canvas --------------------------------------------------
  const charts = new Map();
  const drawChart = (canvas) => {
    if (!window.Chart) return;
    const source = document.getElementById(canvas.dataset.chart);
    if (!source) return;
    charts.get(canvas)?.destroy();
    window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    const token = (name) => {
      // light-dark() is resolved only on a real property, so ask an element rather than the variable.
      const probe = document.createElement("i");
      probe.style.color = `var(--${name})`;
      canvas.parentElement.append(probe);
      const colour = getComputedStyle(probe).color;
      probe.remove();
      return colour;
    };
    const { labels, series, kind = "line", stacked = false } = JSON.parse(source.textContent);
    const shades = ["accent", "over-solid", "ink", "line-strong"];
    const dashes = [[], [6, 4], [2, 3], [8, 3, 2, 3]];
    charts.set(canvas, new window.Chart(canvas, {
      type: kind,
      data: {
        labels,
        datasets: series.map(({ label, values, colour }, place) => ({
          label,
          data: values,
          borderColor: token(colour || shades[place % shades.length]),
          backgroundColor: token(colour || shades[place % shades.length]),
          borderWidth: kind === "line" ? 2 : 0,
          borderDash: kind === "line" ? dashes[place % dashes.length] : [],
          pointRadius: values.length > 1 ? 0 : 3,
          pointHitRadius: 12,
          tension: 0.25,
          borderRadius: 2,
          maxBarThickness: 28,
        })),
      },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        locale: root.lang || undefined,
        plugins: {
          legend: { align: "start", labels: { color: token("ink-soft"), usePointStyle: true, pointStyle: kind === "line" ? "line" : "rect", pointStyleWidth: 28, font: { size: 12.5 } } },
        },
        scales: {
          x: { stacked, grid: { display: false }, border: { color: token("line") }, ticks: { color: token("ink-soft"), maxRotation: 0, autoSkipPadding: 16 } },
          y: { stacked, beginAtZero: true, border: { display: false }, grid: { color: token("line") }, ticks: { color: token("ink-soft"), precision: 0, maxTicksLimit: 6 } },
        },
      },
    }));
  };
  const redrawCharts = () => { for (const canvas of charts.keys()) if (canvas.isConnected) drawChart(canvas); else charts.delete(canvas); };

  // --- Colours, navigation ---------------------------------------------------------------------------------------------
  const setTheme = (choice) => {
    keep("laurel.theme", choice);
    dispatchEvent(new Event("laurel:theme"));
    redrawCharts();
    for (const button of all("[data-theme-set]")) button.setAttribute("aria-pressed", String(button.dataset.themeSet === choice));
  };
  const drawer = () => document.getElementById("navigation");
  const openDrawer = (open) => {
    drawer()?.classList.toggle("open", open);
    document.querySelector("[data-nav-open]")?.setAttribute("aria-expanded", String(open));
    if (open) drawer()?.querySelector("a")?.focus();
  };

  // --- Clicks -----------------------------------------------------------------------------------------------------------
  document.addEventListener("click", async (event) => {
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    const at = (selector) => event.target.closest?.(selector);
    const copy = at("[data-copy]");
    if (copy) {
      event.preventDefault();
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        copy.classList.add("done");
        announce(words.copied);
        setTimeout(() => copy.classList.remove("done"), 1500);
      } catch {
        makeToast({ level: "error", text: words.notCopied });
      }
      return;
    }
    if (at("[data-toast-close]")) return void at(".toast-line").remove();
    if (at("[data-theme-set]")) {
      setTheme(at("[data-theme-set]").dataset.themeSet);
      at("details.menu")?.removeAttribute("open");
      return;
    }
    if (at("[data-nav-fold]")) {
      const folded = root.dataset.nav === "rail";
      root.dataset.nav = folded ? "full" : "rail";
      keep("laurel.nav", root.dataset.nav);
      at("[data-nav-fold]").setAttribute("aria-expanded", String(folded));
      return;
    }
    if (at("[data-nav-open]")) return void openDrawer(!drawer()?.classList.contains("open"));
    const fromMenu = at("details.menu .menu-item[hx-get], details.menu .menu-item[data-dialog]");
    if (fromMenu) {
      // The dialog that comes returns the focus to where it was: to what is still there.
      const menu = fromMenu.closest("details");
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    const opener = at("[data-dialog]");
    if (opener) {
      event.preventDefault();
      const dialog = document.getElementById(opener.dataset.dialog);
      dialog?.showModal();
      dialog?.addEventListener("close", () => opener.focus(), { once: true });
      return;
    }
    if (at("[data-dialog-close]")) return void at("dialog")?.close();
    if (event.target instanceof HTMLDialogElement) event.target.close();
    if (drawer()?.classList.contains("open") && !at("#navigation")) openDrawer(false);
  });
  // Demo logins fill the form and send it.
  document.addEventListener("click", (event) => {
    const login = event.target.closest?.("[data-demo-login]");
    if (!login) return;
    const form = document.getElementById("sign-in");
    form.elements.namedItem("login").value = login.dataset.demoLogin;
    form.elements.namedItem("password").value = login.dataset.demoPassword;
    form.requestSubmit();
  });
  // A list's filters apply at once; empty ones stay out of the address.
  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("form[data-filters]");
    if (form && event.target.matches("select, input[type=checkbox], input[type=radio], input[type=date]")) form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("form[data-filters]")) {
      for (const input of form.elements) if (input.name && input.value === "") input.disabled = true;
    }
    // A second click must not send a slow form twice.
    if (form.method === "post" && !form.matches("[hx-post], [data-hx-post]")) {
      if (form.dataset.sent) return void event.preventDefault();
      form.dataset.sent = "yes";
    }
  });
  addEventListener("pageshow", () => {
    for (const form of all("form[data-sent]")) delete form.dataset.sent;
    for (const input of all("form[data-filters] :disabled")) input.disabled = false;
  });

  // --- Keyboard -----------------------------------------------------------------------------------------------------------
  const typing = (target) => target.isContentEditable || target.matches?.("input:not([type=checkbox],[type=radio],[type=button],[type=submit]), textarea, select");
  const go = (name) => { const link = document.querySelector(`[data-go="${name}"]`); if (link) location.assign(link.href); return Boolean(link); };
  const search = () => { const box = document.getElementById("search"); box?.focus(); box?.select(); return Boolean(box); };
  const press = (selector) => { const thing = all(selector).find((item) => item.checkVisibility?.() ?? true); thing?.click(); return Boolean(thing); };
  // What the key beside its words does is what pressing it does: its own value goes along.
  const mainButton = (form) => [...form.elements].find((one) => one.type === "submit" && !one.disabled && one.matches(".btn-primary"));
  let afterG = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      if (search()) event.preventDefault();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      const form = event.target.form;
      if (form?.matches("[data-submit-keys]")) { event.preventDefault(); const main = mainButton(form); if (main) main.click(); else form.requestSubmit(); }
      return;
    }
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
      return;
    }
    if (event.key === "Escape" && drawer()?.classList.contains("open")) {
      openDrawer(false);
      document.querySelector("[data-nav-open]")?.focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    let done = false;
    if (afterG && Date.now() - afterG < 1500) {
      afterG = 0;
      done = go(event.key.toLowerCase());
    } else if (event.key === "g") {
      afterG = Date.now();
    } else if (event.key === "/") done = search();
    else if (event.key === "n") done = press("[data-main-action]");
    else if (event.key === "w") done = press("[data-why]");
    else if (event.key === "u") done = press(".toast-line .undo") || press("[data-undo]");
    else if (event.key === "?") { document.getElementById("keyboard-help")?.showModal(); done = true; }
    if (done) event.preventDefault();
  });

  // --- Words for screen readers, htmx errors, offline -----------------------------------------------------------------------
  const announce = (text) => { const live = document.getElementById("live"); if (live) { live.textContent = ""; requestAnimationFrame(() => { live.textContent = text || ""; }); } };
  document.addEventListener("laurel:announce", (event) => announce(event.detail.text ?? event.detail.value));
  const failed = (event, text) => {
    const { elt, requestConfig } = event.detail;
    // A poll that fails says so once, keeps the last good numbers and goes on by itself.
    const polls = /every/.test(elt?.getAttribute("hx-trigger") || "");
    if (polls) {
      if (elt.dataset.failing) return;
      elt.dataset.failing = "yes";
    }
    const retry = requestConfig && !polls ? () => window.htmx.ajax(requestConfig.verb.toUpperCase(), requestConfig.path, { source: elt, values: Object.fromEntries(requestConfig.formData || []) }) : null;
    makeToast({ level: "error", text, retry });
  };
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    if (status === 401 || (status === 403 && event.detail.xhr.getResponseHeader("X-Signed-Out"))) return void location.reload();
    const type = event.detail.xhr.getResponseHeader("Content-Type") || "";
    let said = "";
    if (type.includes("json")) { try { const body = JSON.parse(event.detail.xhr.responseText); said = body.detail || body.title; } catch { /* not readable: the general words follow */ } }
    failed(event, said || (status === 403 ? words.forbidden : status === 404 ? words.gone : words.serverError));
  });
  document.addEventListener("htmx:sendError", (event) => failed(event, navigator.onLine ? words.noAnswer : words.offline));
  document.addEventListener("htmx:timeout", (event) => failed(event, words.noAnswer));
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) delete event.detail.elt?.dataset?.failing; });
  // What only keeps a draft in the address yields to a step that is on its way: it would take its place.
  document.addEventListener("htmx:confirm", (event) => {
    if (event.target.matches("[data-keeps]") && document.querySelector("#flow form.htmx-request, #flow a.htmx-request")) event.preventDefault();
  });
  // Forms answered with 422 carry their problems: show them as any other answer.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status === 422 || event.detail.xhr.status === 409) { event.detail.shouldSwap = true; event.detail.isError = false; }
  });
  document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
  const tellOnline = () => { const bar = document.getElementById("offline"); if (bar) bar.hidden = navigator.onLine; };
  addEventListener("online", tellOnline);
  addEventListener("offline", tellOnline);

  // htmx carries the token for its own requests; toasts made here need it too.
  document.addEventListener("submit", (event) => {
    const token = event.target.querySelector?.("[data-csrf]");
    if (token) token.value = csrf();
  }, true);

  // Django's admin names an empty span without giving it a role; a name without a role is not read.
  addEventListener("load", () => setTimeout(() => { for (const tip of all(".help-tooltip[aria-label]")) tip.setAttribute("role", "img"); }));

  const start = () => {
    prepare(document.body);
    tellOnline();
    const choice = root.dataset.themeChoice || "system";
    for (const button of all("[data-theme-set]")) button.setAttribute("aria-pressed", String(button.dataset.themeSet === choice));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
    if (/Mac|iPhone|iPad/.test(navigator.platform)) for (const key of all("[data-modifier]")) key.textContent = "⌘";
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
