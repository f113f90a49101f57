// Everything works without this file; it saves the tap on "Estimate" and the reloading of a training's progress.
"use strict";

const root = document.documentElement.dataset.root; // the prefix that a proxy serves us under
const form = document.getElementById("rate");
const byId = (id) => document.getElementById(id);

function put(place, html) {
  const open = new Set([...place.querySelectorAll("details[open]")].map((details) => details.id));
  const known = new Set([...place.querySelectorAll("details")].map((details) => details.id));
  place.replaceChildren(document.createRange().createContextualFragment(html));
  for (const details of place.querySelectorAll("details")) if (known.has(details.id)) details.open = open.has(details.id);
}

async function fragment(address, options) {
  const answer = await fetch(address, { ...options, headers: { "X-Fragment": "1", Accept: "*/*" } });
  if (answer.ok) return answer.text();
  const refusal = await answer.json().catch(() => ({ error: `the server answered ${answer.status}`, problems: [] }));
  const first = refusal.problems[0] ?? {};
  throw new Error(first.field ? `${first.field}: ${first.problem}` : refusal.error);
}

if (form) {
  let latest = 0;
  const estimate = async () => {
    const mine = ++latest;
    const trouble = byId("trouble");
    try {
      const data = new FormData(form);
      for (const name of ["title", "note", "held_on"]) data.delete(name); // no more is sent than is asked
      const html = await fragment(`${root}/estimate`, { method: "POST", body: new URLSearchParams(data) });
      if (mine !== latest) return; // a later one is under way
      put(byId("fragment"), html);
      const big = byId("fragment").querySelector(".big");
      byId("dock").textContent = big.querySelector("strong").textContent;
      byId("spoken").textContent = `Estimate ${big.textContent}`;
      trouble.hidden = true;
    } catch (error) {
      trouble.textContent = `Not updated: ${error.message}`;
      trouble.hidden = false;
    }
  };
  let waiting;
  const soon = (event) => {
    if (event.target.closest("#title, #note, #held_on")) return;
    clearTimeout(waiting);
    waiting = setTimeout(estimate, 120);
  };
  for (const slider of form.querySelectorAll("input[type=range][data-for]")) {
    const number = byId(slider.dataset.for);
    slider.hidden = false;
    slider.addEventListener("input", () => (number.value = slider.value));
    number.addEventListener("input", () => (slider.value = number.value));
  }
  form.addEventListener("input", soon);
  byId("submit").hidden = true;
  byId("print").hidden = false;
  byId("print").addEventListener("click", () => print());
  addEventListener("pageshow", () => {
    // coming back to the page, a browser fills in what was rated before
    const restored = (e) => (e.type === "radio" ? e.checked !== e.defaultChecked : e.id === "base_rate" && e.value !== e.defaultValue);
    if ([...form.elements].some(restored)) estimate();
    for (const slider of form.querySelectorAll("input[type=range][data-for]")) slider.value = byId(slider.dataset.for).value;
  });
}

const training = byId("training");
if (training) {
  const poll = async () => {
    try {
      put(training, await fragment(`${root}/train/progress`));
    } catch {
      // the server may be busy; the next look tells
    }
    if (training.querySelector("[data-running]")) setTimeout(poll, 1000);
  };
  if (training.querySelector("[data-running]")) setTimeout(poll, 500);
}
