// The rate page works without this file. It shows the estimate without loading the page again, leads through the families
// one at a time on a phone, and keeps a draft in this browser.
"use strict";

const rateForm = byId("rate");
const DRAFT = `predictor.draft${root}${location.search}`; // a draft each for whom and for which interview the address names
const tab = crypto.randomUUID();
const aside = byId("answer");
const isSeen = () => rateForm.classList.contains("seen");

// ---- the estimate ----------------------------------------------------------------------------------------------------

const ASKED = /^(rating\.|input\.|base_rate$|line$|guess$|seen$|csrf_token$)/; // no more is sent than is needed
let latest = 0;

async function estimate(reveal) {
  const mine = ++latest;
  const trouble = byId("trouble");
  try {
    const data = new URLSearchParams([...new FormData(rateForm)].filter(([name]) => ASKED.test(name)));
    const html = await fragment(`${root}/estimate`, { method: "POST", body: data });
    if (mine !== latest) return; // a later one is under way
    put(byId("fragment"), html);
    aside.hidden = false;
    rateForm.classList.add("seen");
    const guess = byId("guess");
    if (guess) guess.disabled = true; // made before the estimate, and saved with it
    byId("submit").hidden = true;
    const short = byId("seen-answer").dataset.short;
    byId("dock").firstElementChild.textContent = short;
    byId("dock").href = "#answer";
    byId("dock").classList.toggle("quiet", Boolean(document.querySelector(".outcome.quiet")));
    byId("spoken").textContent = `Estimate ${short}`;
    trouble.hidden = true;
    if (reveal) {
      byId("answer-title").focus({ preventScroll: true });
      aside.scrollIntoView({ block: "start", behavior: prefersReducedMotion() ? "auto" : "smooth" });
    }
    save();
  } catch (error) {
    trouble.textContent = `Not updated: ${error.message}. Your ratings are still in this browser.`;
    trouble.hidden = false;
    trouble.scrollIntoView({ block: "nearest" });
  }
}

const prefersReducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
let waiting;
function estimateSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(estimate, 120);
}

rateForm.addEventListener("submit", (event) => {
  const where = event.submitter?.getAttribute("formaction") ?? "";
  if (where.endsWith("/journal")) save({ sent: true });
  if (where) return;
  event.preventDefault();
  showPace();
  estimate(true);
});

// ---- the draft: in this browser only ---------------------------------------------------------------------------------

let lastSaved = read()?.at ?? 0; // when the draft that this tab shows was saved
let blocked = false; // until somebody chooses between two tabs

function read() {
  try {
    return JSON.parse(localStorage.getItem(DRAFT));
  } catch {
    return null;
  }
}

const fields = () => [...rateForm.elements].filter((e) => e.name && e.type !== "hidden" && e.type !== "submit" && e.type !== "button");

function values() {
  const all = {};
  for (const e of fields()) {
    if (e.type === "radio" || e.type === "checkbox") {
      if (e.checked && e.value) all[e.name] = e.value;
    } else if (e.value !== startOf(e)) all[e.name] = e.value;
  }
  return all;
}

const startOf = (e) => (e.tagName === "SELECT" ? ([...e.options].find((o) => o.defaultSelected) ?? e.options[0]).value : e.defaultValue);

function fill(draft) {
  for (const e of fields()) {
    const value = draft.values[e.name];
    if (e.type === "radio" || e.type === "checkbox") e.checked = value === undefined ? e.value === "" || (e.name.startsWith("input.") && e.defaultChecked) : e.value === value;
    else e.value = value ?? startOf(e);
  }
  lastSaved = draft.at;
  count();
  goToFirstOpenStep();
  if (draft.seen) estimate();
}

function save(more) {
  const stored = read();
  if (stored && stored.tab !== tab && stored.at > lastSaved) return conflict(stored);
  if (blocked) return;
  const draft = { tab, at: Date.now(), seen: isSeen(), values: values(), ...more };
  try {
    localStorage.setItem(DRAFT, JSON.stringify(draft));
    lastSaved = draft.at;
    byId("draft").hidden = false;
  } catch {
    byId("draft").textContent = "This browser keeps no drafts: what you rate is lost when you leave the page.";
    byId("draft").hidden = false;
  }
}

function conflict(stored) {
  if (JSON.stringify(stored.values) === JSON.stringify(values())) lastSaved = stored.at;
  else {
    blocked = true;
    byId("conflict").hidden = false;
  }
}

function choose(useOther) {
  const stored = read();
  blocked = false;
  byId("conflict").hidden = true;
  if (useOther && stored) fill(stored);
  else {
    lastSaved = Date.now();
    save();
  }
}

byId("theirs").addEventListener("click", () => choose(true));
byId("ours").addEventListener("click", () => choose(false));
addEventListener("storage", (event) => {
  if (event.key !== DRAFT) return;
  const stored = read();
  if (stored && stored.tab !== tab) conflict(stored);
});
byId("clear").addEventListener("click", () => localStorage.removeItem(DRAFT));
if (rateForm.dataset.posted === undefined) byId("clear").href = location.pathname + location.search;

function restore() {
  const draft = read();
  if (!draft || !Object.keys(draft.values).length) return;
  fill(draft);
  const at = new Date(draft.at);
  const day = at.toDateString() === new Date().toDateString() ? "today" : at.toLocaleDateString();
  byId("restored").textContent = `Your draft of ${day}, ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}, is back. `;
  const again = byId("clear").cloneNode(true);
  again.removeAttribute("id");
  again.textContent = "Start over";
  again.addEventListener("click", () => localStorage.removeItem(DRAFT));
  byId("restored").append(again);
  byId("restored").hidden = false;
  byId("draft").hidden = false;
}

// ---- how far it is ---------------------------------------------------------------------------------------------------

let began = 0;
const total = new Set([...rateForm.querySelectorAll("[name^='rating.']")].map((e) => e.name)).size;

function choices() {
  const chosen = Object.entries(values()).filter(([name]) => name.startsWith("rating."));
  return { chosen: chosen.length, notComeUp: chosen.filter(([, value]) => value === rateForm.dataset.notComeUp).length };
}

function count() {
  const { chosen, notComeUp } = choices(), { counted, countedNotComeUp } = rateForm.dataset;
  const fields = { rated: chosen - notComeUp, total, not_come_up: notComeUp };
  const words = (notComeUp ? countedNotComeUp : counted).replace(/\{(\w+)\}/g, (_, name) => fields[name]);
  for (const place of rateForm.querySelectorAll(".count")) place.textContent = words;
}

function showPace() {
  const { chosen } = choices();
  const minutes = (((performance.now() - began) / chosen) * (total - chosen)) / 60_000;
  if (byId("pace") && began && chosen > 4 && total > chosen) byId("pace").textContent = `(at your pace ${minutes < 1 ? "under a minute" : `${Math.round(minutes)} min`})`;
}

// ---- a rating taken back ---------------------------------------------------------------------------------------------

let pressed = null; // a second tap on a chosen rating takes it back, as Delete does

function takeBack(radio) {
  radio.checked = false;
  radio.dispatchEvent(new Event("input", { bubbles: true }));
}

const isRating = (e) => e.type === "radio" && e.name.startsWith("rating.");
rateForm.addEventListener("pointerdown", (event) => {
  const radio = event.target.closest("label")?.querySelector("input");
  pressed = radio && isRating(radio) && radio.checked ? radio : null;
});
rateForm.addEventListener("click", (event) => {
  if (pressed && event.target === pressed) takeBack(pressed);
  pressed = null;
}, true); // before the step is left
rateForm.addEventListener("keydown", (event) => {
  if (!isRating(event.target) || !["Delete", "Backspace"].includes(event.key)) return;
  event.preventDefault();
  takeBack(event.target);
});

// ---- one family at a time on a phone ---------------------------------------------------------------------------------

const first = byId("first");
const steps = [...first.querySelectorAll(".step")];
let stepNumber = 0;

function showStep(number) {
  stepNumber = number;
  steps.forEach((step, place) => step.classList.toggle("current", place === number));
  const role = rateForm.querySelector("[name='input.rater_role']:checked")?.value;
  const passed = number === steps.length - 1 ? steps.filter(openQuestion).length : 0; // who taps "Next" once too often skips a step unseen
  byId("where").textContent = `${role && number ? `${role}, ` : ""}${number + 1} of ${steps.length}${passed ? "; not all rated" : ""}`;
  byId("back").disabled = number === 0;
  byId("next").disabled = number === steps.length - 1;
}

const openQuestion = (step) => [...step.querySelectorAll("fieldset:not(.guess)")].find((set) => !set.querySelector(":checked") && !set.querySelector("select"));

function goToFirstOpenStep() {
  const place = steps.findIndex(openQuestion);
  showStep(place < 0 ? steps.length - 1 : place);
}

byId("back").addEventListener("click", () => turnTo(stepNumber - 1));
byId("next").addEventListener("click", () => turnTo(stepNumber + 1));
byId("dock").addEventListener("click", (event) => {
  if (isSeen() || getComputedStyle(byId("steps")).display === "none") return;
  event.preventDefault(); // the step that it leads to is not shown yet
  turnTo(steps.length - 1);
});

function turnTo(place) {
  showStep(place);
  const target = steps[place].querySelector("h2") ?? steps[place].querySelector("legend");
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
  if (first.getBoundingClientRect().top < 0) first.scrollIntoView({ block: "start" });
}

first.addEventListener("click", (event) => {
  // by tap or mouse only: arrow keys change a choice on their way to the next one
  if (event.target.type !== "radio" || !event.target.checked || !event.detail || event.target.name === "guess") return;
  const step = event.target.closest(".step");
  const place = steps.indexOf(step);
  if (!step.classList.contains("current") || getComputedStyle(byId("steps")).display === "none") return;
  const next = openQuestion(step);
  if (next) next.scrollIntoView({ block: "center", behavior: prefersReducedMotion() ? "auto" : "smooth" });
  else if (place + 1 < steps.length && !isSeen()) setTimeout(() => turnTo(place + 1), 180);
});

// ---- all together ----------------------------------------------------------------------------------------------------

for (const slider of rateForm.querySelectorAll("input[type=range][data-for]")) {
  const number = byId(slider.dataset.for);
  slider.hidden = false;
  slider.addEventListener("input", () => (number.value = slider.value));
  number.addEventListener("input", () => (slider.value = number.value));
}
rateForm.addEventListener("input", (event) => {
  began ||= performance.now();
  count();
  if (ASKED.test(event.target.name) && event.target.name !== "guess" && isSeen()) estimateSoon();
  save();
});
first.classList.add("stepped");
byId("print").hidden = false;
byId("print").addEventListener("click", () => print());
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#signal-']");
  if (!link) return;
  const target = byId(link.hash.slice(1));
  for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  const step = target.closest(".step");
  if (step) showStep(steps.indexOf(step));
});
if (rateForm.dataset.posted === undefined) restore(); // after a POST the server has filled the form in already
else if (isSeen()) byId("submit").hidden = true;
goToFirstOpenStep();
count();
