// What makes the page better where scripts run. Everything works without it.
(() => {
  "use strict";
  document.documentElement.classList.add("js");

  const status = document.getElementById("status");
  let clearing;
  function say(text) {
    if (!status) return;
    status.textContent = text;
    clearTimeout(clearing);
    clearing = setTimeout(() => { status.textContent = ""; }, 4000);
  }

  // Copy buttons: the text stands in the element that data-copy names, or in the attribute itself.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-copy], button[data-copy-text]");
    if (!button) return;
    const source = button.dataset.copy ? document.getElementById(button.dataset.copy) : null;
    const text = source ? source.textContent : button.dataset.copyText;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!selectAndCopy(source, text)) { say("Could not copy. Select the text and copy it yourself."); return; }
    }
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1600);
    say("Copied");
  });

  // Plain http gives no clipboard; the old way still does.
  function selectAndCopy(source, text) {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "vh";
    document.body.append(field);
    field.select();
    let copied = false;
    try { copied = document.execCommand("copy"); } catch { copied = false; }
    field.remove();
    return copied;
  }

  // "3 min ago" stays true while the page is open. The same words as the server's.
  function relative(then, now) {
    const seconds = Math.round((now - then) / 1000);
    const away = Math.abs(seconds);
    if (away < 5) return "just now";
    const [count, unit] =
      away < 60 ? [away, "s"] : away < 3600 ? [Math.floor(away / 60), "min"]
      : away < 86400 ? [Math.floor(away / 3600), "h"] : [Math.floor(away / 86400), "d"];
    return seconds < 0 ? `in ${count} ${unit}` : `${count} ${unit} ago`;
  }
  const started = Date.now();
  const server = Number(document.documentElement.dataset.now) || started;
  function tick() {
    const now = server + (Date.now() - started);
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const then = Date.parse(time.dateTime);
      const due = time.dataset.relative === "due" && then < now ? "due " : "";
      const text = due + relative(then, now);
      if (time.textContent !== text) time.textContent = text;
    }
  }
  setInterval(tick, 5000);

  // More rows in a form, without a round trip.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-more]");
    const list = button && document.getElementById(button.dataset.more);
    const last = list?.querySelector("[data-row]:last-of-type");
    if (!last) return;
    event.preventDefault();
    const row = last.cloneNode(true);
    const number = list.querySelectorAll("[data-row]").length + 1;
    for (const field of row.querySelectorAll("input")) {
      field.value = "";
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
      field.id = field.id.replace(/-\d+$/, `-${number}`);
    }
    for (const label of row.querySelectorAll("label")) {
      label.htmlFor = label.htmlFor.replace(/-\d+$/, `-${number}`);
      label.textContent = label.textContent.replace(/\d+$/, String(number));
    }
    row.querySelectorAll(".error").forEach((error) => error.remove());
    list.append(row);
    row.querySelector("input")?.focus();
  });

  // "All deployment events" stands for its types: they show as chosen while it is.
  const events = document.querySelector("[data-events]");
  function cover() {
    const boxes = [...events.querySelectorAll("input[name=events]")];
    const on = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    for (const box of boxes) {
      const family = box.value.replace(/\..*$/, ".*");
      const covered = (box.value !== "*" && on.has("*")) || (box.value !== family && on.has(family));
      box.disabled = covered && box.value !== "*";
      box.indeterminate = covered && !box.checked;
    }
  }
  if (events) { events.addEventListener("change", cover); cover(); }

  // A filter acts when it is changed; without scripts its button does.
  for (const select of document.querySelectorAll("form[data-auto] select")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }

  // After a secret was shown, a reload goes to the webhook and repeats nothing.
  const settle = document.querySelector("[data-settle]");
  if (settle) history.replaceState(null, "", settle.dataset.settle);

  // What was done is said once: a reload does not say it again.
  const here = new URL(location.href);
  const again = document.querySelector("[data-again]");
  if (here.searchParams.has("done") && !again) {
    for (const name of ["done", "n", "forgotten", "left", "disabled", "unopened", "rest"]) here.searchParams.delete(name);
    history.replaceState(null, "", here);
  }

  // What is being worked on is looked at again until that is done, but for who is about to type.
  if (again) {
    setInterval(() => {
      if (!document.activeElement?.matches("input, select")) location.reload();
    }, Number(again.dataset.again) * 1000);
  }

  // Forms are sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });

  // Errors come first.
  document.getElementById("errors")?.focus();

  // Parts of the page that are asked for anew, as the server draws them; not under somebody's hands.
  async function redraw(part, selector) {
    if (document.hidden || part.contains(document.activeElement)) return part;
    const answer = await fetch(location.href).catch(() => null);
    if (!answer?.ok || answer.redirected) return part;
    const drawn = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = drawn.querySelector(selector);
    if (!fresh) return part;
    part.replaceWith(document.adoptNode(fresh));
    return fresh;
  }
  let listed = document.querySelector("[data-every]");
  if (listed) {
    setInterval(async () => { listed = await redraw(listed, "[data-every]"); }, Number(listed.dataset.every) * 1000);
  }

  // Deliveries as they happen: the server sends whole rows that it rendered and escaped itself.
  const table = document.querySelector("[data-live]");
  if (table && window.EventSource) {
    const body = table.tBodies[0];
    const badge = document.getElementById("live");
    const most = Number(table.dataset.most) || 50;
    let fresh = 0, telling, drawing;
    let charts = document.querySelector("[data-with-live]");
    const stream = new EventSource(table.dataset.live);
    const show = (on) => {
      if (!badge) return;
      badge.hidden = false;
      badge.classList.toggle("on", on);
      badge.textContent = on ? "Live" : "Reconnecting…";
    };
    stream.addEventListener("open", () => show(true));
    stream.addEventListener("error", () => show(false));
    stream.addEventListener("delivery", (event) => {
      const holder = document.createElement("template");
      holder.innerHTML = event.data;
      const row = holder.content.querySelector("tr");
      if (!row) return;
      const old = document.getElementById(row.id);
      const held = old?.contains(document.activeElement);
      old?.remove();
      row.classList.add("fresh");
      body.prepend(row);
      if (held) row.querySelector("a")?.focus();
      while (body.rows.length > most) body.rows[body.rows.length - 1].remove();
      document.getElementById("deliveries-empty")?.remove();
      table.hidden = false;
      fresh += 1;
      drawing ??= setTimeout(async () => {
        drawing = undefined;
        if (charts) charts = await redraw(charts, "[data-with-live]");
      }, 1500);
      clearTimeout(telling);
      telling = setTimeout(() => { say(fresh === 1 ? "1 delivery was updated" : `${fresh} deliveries were updated`); fresh = 0; }, 1500);
    });
    window.addEventListener("pagehide", () => stream.close());
  }
})();
