// Importing a file of codes: drop it, see it go up, read the sum or every problem by its line.
// Without it the form posts as any other and the page comes back with the same result.
(() => {
  "use strict";
  const form = document.querySelector("form[data-import]");
  if (!form) return;
  const drop = form.querySelector("[data-drop]");
  const input = form.querySelector("input[type=file]");
  const name = form.querySelector("[data-file-name]");
  const progress = form.querySelector("[data-progress]");
  const words = form.querySelector("[data-progress-words]");
  const bar = progress.querySelector(".progress-bar-fill");
  // The check's answer brings another button of this form.
  const buttons = () => document.querySelectorAll("[data-send]");
  const result = document.getElementById("import-result");
  const first = name.innerHTML;
  const number = new Intl.NumberFormat(document.documentElement.lang || undefined);
  const limit = Number(input.dataset.limit);

  const show = () => {
    const file = input.files[0];
    if (!file) { name.innerHTML = first; return; }
    const label = document.createElement("strong");
    label.textContent = file.name;
    name.replaceChildren(label, ` · ${number.format(file.size)} bytes`);
    result.replaceChildren();
  };
  input.addEventListener("change", show);
  for (const type of ["dragenter", "dragover"]) drop.addEventListener(type, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    show();
  });
  const refuse = (text) => {
    const notice = document.createElement("div");
    notice.className = "notice refused";
    notice.setAttribute("role", "alert");
    notice.textContent = text;
    result.replaceChildren(notice);
  };
  const finish = () => { progress.hidden = true; for (const button of buttons()) button.disabled = false; delete form.dataset.sent; };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = input.files[0];
    if (!file) return void input.click();
    // Sending what is bound to be refused would only cost the wait.
    if (file.size > limit) return void refuse(words.dataset.tooLarge);
    const request = new XMLHttpRequest();
    const check = event.submitter?.getAttribute("formaction");
    request.open("POST", check || form.action);
    request.setRequestHeader("HX-Request", "true");
    request.upload.addEventListener("progress", (sent) => {
      if (!sent.lengthComputable) return;
      const share = Math.round(100 * sent.loaded / sent.total);
      bar.style.width = `${share}%`;
      bar.parentElement.setAttribute("aria-valuenow", share);
      words.textContent = share < 100 ? `${words.dataset.sending} ${share} %` : words.dataset.checking;
    });
    request.addEventListener("load", () => {
      finish();
      if (request.status !== 200 && request.status !== 422) return void refuse(words.dataset.failed);
      window.htmx.swap(result, request.responseText, { swapStyle: "innerHTML" });
      if (request.status !== 200 || check) return;
      form.reset();
      show();
      // What was sent stands in the page's list now.
      const list = form.dataset.refreshes;
      if (list) window.htmx.ajax("GET", location.href, { target: list, select: list, swap: "outerHTML" });
    });
    request.addEventListener("error", () => { finish(); refuse(words.dataset.failed); });
    progress.hidden = false;
    for (const button of buttons()) button.disabled = true;
    bar.style.width = "0";
    words.textContent = words.dataset.sending;
    request.send(new FormData(form));
  });
})();
